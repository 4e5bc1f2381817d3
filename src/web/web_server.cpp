// SPDX-License-Identifier: Apache-2.0
#include <nswarden/web/web_server.hpp>

#include <civetweb.h>
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <new>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include <nswarden/os/capabilities.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/os/signals.hpp>
#include <nswarden/web/url.hpp>
#include <nswarden/web/web_access.hpp>

#include "web/front_door.hpp"
#include "web/tcp.hpp"
#include "web/tls.hpp"

namespace nswarden {
namespace {

// Number of requests answered in parallel. A connection occupies a thread (kernel fact 33) from its first whole request head
// if CivetWeb was built with FrontDoor, else from its start to the request timeout.
constexpr const char* worker_threads = "16";
constexpr std::size_t worker_count = 16;
// Each takes an fd, for which fd_budget() leaves room.
constexpr std::size_t max_waiting = 512;

#ifdef NSWARDEN_WEB_TLS
constexpr bool has_tls = true;
#else
constexpr bool has_tls = false;  // Debian's CivetWeb claims TLS support and crashes (kernel fact 33)
#endif

bool has_ipv6() { return mg_check_feature(MG_FEATURES_IPV6) != 0; }

[[noreturn]] void refuse(const std::string& address, const std::string& reason) {
  throw std::runtime_error(fmt::format("cannot listen on {}: {}", address, reason));
}

std::string listen_error_text(int error) {
  switch (error) {
    case EADDRINUSE:
      return "address already in use, possibly by another nswarden; stop it, or choose another --web.listen-address";
    case EACCES: return "permission denied; ports below 1024 need CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL: return "not an address of this host";
    default: return with_remedy(error);
  }
}

/// An address in CivetWeb's syntax.
struct Listener {
  std::string civetweb;
  std::string host;  ///< as displayed
};

/// Resolves an address and checks that it is available, since CivetWeb reports failures only in prose.
/// The sockets in `held` show that all addresses are available together.
Listener prepare(const std::string& text, std::vector<Fd>& held) {
  const auto address = parse_listen_address(text);
  if (!address) refuse(text, "invalid address, expected :PORT, HOST:PORT or [V6]:PORT");

  const auto try_on = [&](const std::string& host, AddressFamily family) {
    auto fd = listen_on(host, address->port, family);
    if (fd) held.push_back(std::move(*fd));
    return fd.ok() ? 0 : fd.error().code;
  };
  const auto need = [&](int error) {
    if (error != 0) refuse(text, listen_error_text(error));
  };

  if (address->kind == ListenAddress::Host::any) {
    // With IPv6 disabled, IPv4 alone covers all addresses. The IPv6 wildcard accepts IPv4 too.
    const int error = has_ipv6() ? try_on("::", AddressFamily::ipv6) : EAFNOSUPPORT;
    if (error == 0) return {fmt::format("+{}", address->port), "[::]"};
    if (error != EAFNOSUPPORT && error != EADDRNOTAVAIL) need(error);
    need(try_on("0.0.0.0", AddressFamily::ipv4));
    return {fmt::format("0.0.0.0:{}", address->port), "0.0.0.0"};
  }
  if (address->kind == ListenAddress::Host::name) {
    if (const auto ipv4 = numeric_address(address->host, AddressFamily::ipv4)) {
      need(try_on(*ipv4, AddressFamily::ipv4));
      return {fmt::format("{}:{}", *ipv4, address->port), *ipv4};
    }
  }
  const auto ipv6 = numeric_address(address->host, AddressFamily::ipv6);
  if (!ipv6) refuse(text, "no such host");
  if (!has_ipv6()) refuse(text, "the CivetWeb library of this system does not support IPv6; use an IPv4 address");
  need(try_on(*ipv6, AddressFamily::ipv6));
  return {fmt::format("[{}]:{}", *ipv6, address->port), fmt::format("[{}]", *ipv6)};
}

constexpr const char* no_tls =
    "cannot serve the tls_server_config of --web.config.file: this nswarden was built without TLS; build it with "
    "scripts/run, or with cmake -DNSWARDEN_CIVETWEB_SOURCE=DIRECTORY after scripts/fetch-civetweb DIRECTORY, or use a TLS "
    "proxy";

/// nullopt if the client has access.
std::optional<Response> refusal(BasicAuth* auth, const char* authorization) {
  const auto verdict =
      auth == nullptr ? BasicAuth::Verdict::admitted : auth->judge(authorization == nullptr ? "" : authorization);
  if (verdict == BasicAuth::Verdict::admitted) return std::nullopt;
  const bool is_busy = verdict == BasicAuth::Verdict::busy;
  Response response =
      is_busy ? text_response(503, "Too many password checks are in progress.\n") : text_response(401, "Unauthorized.\n");
  response.headers.emplace_back(is_busy ? "Retry-After" : "WWW-Authenticate",
                                is_busy ? "1" : "Basic realm=\"nswarden\", charset=\"UTF-8\"");
  return response;
}

/// Rejects POSTs by web pages. A page of any site can make its reader's browser send one, past a firewall, and even as its
/// own site through a name that resolves to the daemon. Browsers mark such requests; reload clients do not.
std::optional<Response> cross_origin_refusal(std::string_view method, const char* origin) {
  if (origin == nullptr || method != "POST") return std::nullopt;
  return text_response(403, "Requests from web pages are not allowed.\n");
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text.data(), length};
}

/// Replaces a header of the same name.
void set_header(Response& response, const WebHeader& header) {
  std::erase_if(response.headers, [&header](const auto& other) { return other.first == header.name; });
  response.headers.emplace_back(header.name, header.value);
}

std::string serialized(const Response& response, std::string_view method, const char* reason) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", response.status,
                                reason, date_now(), response.content_type, response.body.size());
  for (const auto& header : response.headers) out += fmt::format("{}: {}\r\n", header.first, header.second);
  out += "Connection: close\r\n\r\n";
  if (method != "HEAD") out += response.body;
  return out;
}

}  // namespace

struct WebServer::Impl {
  Impl(WebOptions web_options, WebSources web_sources, WebAccess* web_access)
      : options(std::move(web_options)),
        sources(std::move(web_sources)),
        access(web_access),
        door(options.request_timeout, max_waiting) {
    if (access == nullptr || !access->newest()->tls) return;
    if (!has_tls) throw std::runtime_error(no_tls);
    tls.emplace([this] { return newest_tls(); });
  }
  ~Impl() {
    if (context != nullptr) stop();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  WebOptions options;
  WebSources sources;
  WebAccess* access;
  std::optional<TlsServer> tls;
  FrontDoor door;
  std::vector<std::uint16_t> ports;
  mg_context* context = nullptr;
  std::atomic<bool> started{false};
  std::atomic<std::size_t> begun_threads{0};  ///< threads
  std::atomic<bool> privileged{false};        ///< a thread failed to drop its capabilities
  std::array<char, 300> problem{};            ///< CivetWeb's error during startup

  void start(const std::string& listening_ports);
  void wait_for_threads() const;
  void stop();

  [[nodiscard]] TlsContext newest_tls() const {
    try {
      return access->newest()->tls;
    } catch (const std::exception&) {
      return nullptr;  // the caller is C; reject the connection when out of memory
    }
  }

  /// Checks access before any route.
  [[nodiscard]] Response answer(const mg_connection* connection, const mg_request_info& request) const {
    const auto version = access == nullptr ? nullptr : access->newest();
    auto refused = refusal(version ? version->auth.get() : nullptr, mg_get_header(connection, "Authorization"));
    if (!refused) refused = cross_origin_refusal(request.request_method, mg_get_header(connection, "Origin"));
    Response response = refused ? *std::move(refused) : answer(request, mg_get_header(connection, "Accept-Encoding"));
    if (version) {
      for (const WebHeader& header : version->headers) set_header(response, header);
    }
    return response;
  }

  [[nodiscard]] Response answer(const mg_request_info& request, const char* accept_encoding) const {
    // local_uri would normalize //metrics and /x/../metrics to /metrics.
    const auto path = decoded_path(request.local_uri_raw);
    if (!path) return text_response(404, "Not found.\n");
    const auto text = [](const char* header) { return std::string_view(header == nullptr ? "" : header); };
    return respond({request.request_method, *path, text(request.query_string), text(accept_encoding)}, options, sources);
  }

  /// CivetWeb's callback for each request; returns the status.
  static int serve(mg_connection* connection) {
    const mg_request_info* request = mg_get_request_info(connection);
    const auto* impl = static_cast<const Impl*>(request->user_data);
    // Otherwise CivetWeb reads a body to its end, at any pace.
    mg_disable_connection_keep_alive(connection);
    try {
      const Response response = impl->answer(connection, *request);
      const char* reason = mg_get_response_code_text(connection, response.status);
      const std::string bytes = serialized(response, request->request_method, reason);
      mg_write(connection, bytes.data(), bytes.size());
      return response.status;
    } catch (const std::exception&) {
      return send_unavailable(connection);
    }
  }

  /// Answers when out of memory, without allocating. Exceptions must not reach CivetWeb, which is C.
  static int send_unavailable(mg_connection* connection) {
    constexpr std::string_view answer =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n";
    mg_write(connection, answer.data(), answer.size());
    return 503;
  }

  /// HTTP workers run at lower priority than the loop and drop all capabilities.
  static void* begin_thread(const mg_context* context, int type) {
    constexpr int accepting = 0;
    Impl& impl = *static_cast<Impl*>(mg_get_user_data(context));
    if (type == accepting) {
      impl.door.attach_acceptor();
    } else {
      impl.door.attach_worker();
    }
    lower_priority();
    if (!drop_all_capabilities()) impl.privileged = true;
    ++impl.begun_threads;
    impl.begun_threads.notify_one();
    return nullptr;
  }

  /// CivetWeb calls it at startup and shutdown; Impl keeps ownership.
  static int provide_context(void** context, void* impl) {
    *context = static_cast<Impl*>(impl)->tls->context();
    return 1;
  }

  /// CivetWeb's log callback. Keeps the first message during startup, its only error report. Drops later messages, which
  /// report client errors, and never writes to stderr.
  static int keep_problem(const mg_connection* connection, const char* message) {
    auto* impl = static_cast<Impl*>(mg_get_user_data(mg_get_context(connection)));
    if (impl == nullptr || impl->started || impl->problem[0] != '\0') return 1;
    std::snprintf(impl->problem.data(), impl->problem.size(), "%s", message);  // must not throw: the caller is C
    return 1;
  }
};

void WebServer::Impl::start(const std::string& listening_ports) {
  // document_root is unset: it makes CVE-2025-55763 reachable (kernel fact 33). decode_url and enable_auth_domain_check are
  // off: the path is checked as sent, under any name of this host. connection_queue: one connection more than threads makes
  // the accepting thread wait, which FrontDoor relies on.
  const std::string timeout = std::to_string(options.request_timeout.count());
  const std::pair<const char*, const char*> settings[] = {
      {"listening_ports", listening_ports.c_str()},
      {"num_threads", worker_threads},
      {"connection_queue", "1"},
      {"request_timeout_ms", timeout.c_str()},
      {"enable_keep_alive", "no"},
      {"max_request_size", "8192"},
      {"listen_backlog", "1024"},
      {"tcp_nodelay", "1"},
      {"decode_url", "no"},
      {"enable_auth_domain_check", "no"},
      {"enable_directory_listing", "no"},
  };
  std::vector<const char*> configuration;
  for (const auto& [name, value] : settings) configuration.insert(configuration.end(), {name, value});
  configuration.push_back(nullptr);
  mg_callbacks callbacks{};
  callbacks.begin_request = &Impl::serve;
  callbacks.log_message = &Impl::keep_problem;
  callbacks.init_thread = &Impl::begin_thread;
  if (tls) callbacks.external_ssl_ctx = &Impl::provide_context;
  // The loop receives signals by signalfd, so every thread must block them.
  const SignalsBlocked blocked;
  context = mg_start(&callbacks, this, configuration.data());
  if (context == nullptr) {
    throw std::runtime_error(fmt::format("cannot serve HTTP on {}: {}", listening_ports,
                                         problem[0] == '\0' ? "CivetWeb did not start" : problem.data()));
  }
  started = true;
  // When out of memory, CivetWeb silently uses its default instead of the value: another port, on all addresses.
  for (const auto& [name, value] : settings) {
    const char* const taken = mg_get_option(context, name);
    if (taken == nullptr || std::string_view(taken) != value) throw std::bad_alloc();
  }
}

/// Returns once all threads have dropped their capabilities.
void WebServer::Impl::wait_for_threads() const {
  for (std::size_t count = begun_threads; count < worker_count + 1; count = begun_threads) begun_threads.wait(count);
}

// CivetWeb's threads notice mg_stop() only when their poll ends, after up to 2 s. Pending answers may be sent for a moment;
// then every connection is closed, including those whose client does not read.
void WebServer::Impl::stop() {
  door.close();
  if (access != nullptr) access->close();
  constexpr std::chrono::milliseconds grace_period{300};
  std::atomic<bool> stopped{false};
  std::thread stopper;
  try {
    stopper = std::thread([&] {
      mg_stop(context);
      stopped = true;
    });
  } catch (const std::exception&) {
    // Out of threads or memory: run the same steps in sequence. New connections are not accepted any more.
    stop_sockets(ports, Stop::reading);
    std::this_thread::sleep_for(grace_period);
    stop_sockets(ports, Stop::all);
    mg_stop(context);
    return;
  }
  const auto patience = std::chrono::steady_clock::now() + grace_period;
  while (!stopped) {
    stop_sockets(ports, std::chrono::steady_clock::now() < patience ? Stop::reading : Stop::all);
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  stopper.join();
}

WebServer::WebServer(const WebOptions& options, WebSources sources, WebAccess* access)
    : impl_(std::make_unique<Impl>(options, std::move(sources), access)) {
  std::string ports;
  std::vector<Listener> listeners;
  {
    std::vector<Fd> held;
    for (const std::string& address : options.listen_addresses) {
      listeners.push_back(prepare(address, held));
      ports += (ports.empty() ? "" : ",") + listeners.back().civetweb + (impl_->tls ? "s" : "");
    }
  }

  const std::optional<std::size_t> threads_before = count_threads();
  impl_->start(ports);

  std::vector<mg_server_port> bound(listeners.size());
  const int count = mg_get_server_ports(impl_->context, static_cast<int>(bound.size()), bound.data());
  for (std::size_t i = 0; i < listeners.size() && static_cast<int>(i) < count; ++i) {
    addresses_.push_back(fmt::format("{}:{}", listeners[i].host, bound[i].port));
    impl_->ports.push_back(static_cast<std::uint16_t>(bound[i].port));
  }
  // Without its master thread CivetWeb starts but serves no connection, and mg_stop() waits for that thread forever; without
  // one of the workers, some connections hang. Only the end of the process recovers from this; until then all connections are
  // refused.
  const std::optional<std::size_t> threads = count_threads();
  const bool all_available = !threads || !threads_before || *threads > *threads_before + worker_count;
  if (all_available) impl_->wait_for_threads();
  if (all_available && !impl_->privileged) return;
  stop_sockets(impl_->ports, Stop::all);
  (void)impl_.release();  // its running threads refer to it
  refuse(options.listen_addresses.front(),
         all_available ? "the HTTP threads cannot drop their capabilities; allow the system calls prctl and capset"
                       : "not all HTTP threads started; raise the limit of tasks (TasksMax= of the unit, or ulimit -u)");
}

WebServer::~WebServer() = default;

std::string_view WebServer::scheme() const { return impl_->tls ? "https" : "http"; }

}  // namespace nswarden
