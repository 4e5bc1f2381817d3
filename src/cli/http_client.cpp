// SPDX-License-Identifier: Apache-2.0
#include "cli/http_client.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include <nswarden/base/build_info.hpp>
#include <nswarden/base/text.hpp>
#include <nswarden/web/url.hpp>
#include "cli/http_response.hpp"

namespace nswarden {
namespace {

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name_character(char c) { return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_'; }
bool is_address_character(char c) { return is_name_character(c) || c == ':' || c == '%'; }
/// Characters allowed in a request line. A query is rejected because API paths are appended.
bool is_path_character(char c) { return c > ' ' && c <= '~' && c != '?' && c != '#' && c != '\\'; }

Problem refused(std::string reason) { return {{}, std::move(reason)}; }

/// Removes `USER:PASSWORD@` from `authority`. Returns an error, or an empty string.
std::string parse_credentials(std::string_view& authority, Url& url) {
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::string_view user_info = authority.substr(0, at);
  authority.remove_prefix(at + 1);
  const std::size_t colon = user_info.find(':');
  if (colon == std::string_view::npos) return "user without a password";
  const auto user = decoded_path(user_info.substr(0, colon));
  const auto password = decoded_path(user_info.substr(colon + 1));
  if (!user || !password) return "% without two hexadecimal digits in the user or password; write % as %25";
  if (user->find(':') != std::string::npos) return "colon in the user, which basic authentication does not allow";
  url.credentials = *user + ':' + *password;
  return {};
}

/// Removes the host from `rest`, up to the colon of a port. Returns an error, or an empty string.
std::string parse_host(std::string_view& rest, Url& url) {
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return "[ without ]";
    std::string_view host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    url.ipv6 = true;
    // A zone (fe80::1%eth0); a URL should spell its percent sign as %25.
    const std::size_t zone = host.find('%');
    url.host = host.substr(0, zone);
    if (url.host.find(':') == std::string::npos) return "no IPv6 address between the brackets";
    if (zone != std::string_view::npos) {
      host.remove_prefix(host.substr(zone).starts_with("%25") ? zone + 3 : zone + 1);
      url.host += '%';
      url.host += host;
    }
    return std::all_of(url.host.begin(), url.host.end(), is_address_character) ? "" : "no IPv6 address between the brackets";
  }
  const std::size_t colon = std::min(rest.find(':'), rest.size());
  url.host = rest.substr(0, colon);
  rest.remove_prefix(colon);
  if (rest.find(':', 1) != std::string_view::npos) return "IPv6 address without brackets; write [ADDRESS]:PORT";
  if (url.host.empty()) return "no host";
  return std::all_of(url.host.begin(), url.host.end(), is_name_character)
             ? ""
             : "invalid character in the host; write special characters of a user or password as %NN";
}

using ProblemKind = HttpProblem::Kind;
using MaybeProblem = std::optional<HttpProblem>;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};

/// Reason of the first error in OpenSSL's queue.
std::string tls_reason() {
  const unsigned long error = ERR_peek_error();
  if (ERR_SYSTEM_ERROR(error)) return error_text(ERR_GET_REASON(error));
  const char* reason = ERR_reason_error_string(error);
  return reason == nullptr ? "connection lost" : printable(reason);
}

HttpProblem unusable(const char* flag, const std::string& path) {
  return {ProblemKind::tls_files, fmt::format("cannot use {} {}: {}", flag, printable(path), tls_reason())};
}

/// Rejects a key with a passphrase instead of prompting on the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

MaybeProblem load_files(SSL_CTX* context, const TlsFiles& files) {
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (files.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_file(context, files.ca_file.c_str()) != 1) {
    return unusable("--tls.ca-file", files.ca_file);
  }
  if (files.cert_file.empty()) return std::nullopt;
  if (SSL_CTX_use_certificate_chain_file(context, files.cert_file.c_str()) != 1) {
    return unusable("--tls.cert-file", files.cert_file);
  }
  // Also checks that the key belongs to the certificate.
  if (SSL_CTX_use_PrivateKey_file(context, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return unusable("--tls.key-file", files.key_file);
  }
  return std::nullopt;
}

/// Sets the expected host of the certificate.
bool expect_host(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  const std::string address = host.substr(0, host.find('%'));
  if (X509_VERIFY_PARAM_set1_ip_asc(param, address.c_str()) == 1) return true;
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

/// Why TLS ended: from OpenSSL's queue, or, if that is empty, because the server closed the connection.
HttpProblem tls_problem(const SSL* ssl) {
  const unsigned long error = ERR_peek_error();
  const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const long result = SSL_get_verify_result(ssl);
    const bool other = result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH;
    return {other ? ProblemKind::name_mismatch : ProblemKind::untrusted, X509_verify_cert_error_string(result)};
  }
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) return {ProblemKind::not_tls, tls_reason()};
  const bool wanted = reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED || reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE;
  return {wanted ? ProblemKind::certificate_required : ProblemKind::tls, tls_reason()};
}

/// A connection that reads and writes until the deadline.
class Connection {
 public:
  Connection(Fd fd, Deadline deadline) : fd_(std::move(fd)), deadline_(deadline), bio_(BIO_new_socket(fd_.get(), BIO_NOCLOSE)) {
    if (!bio_) throw std::bad_alloc();
  }

  MaybeProblem start_tls(SSL_CTX* context, const std::string& host) {
    BIO* layer = BIO_new_ssl(context, 1);
    if (layer == nullptr) throw std::bad_alloc();
    bio_.reset(BIO_push(layer, bio_.release()));
    BIO_get_ssl(bio_.get(), &ssl_);
    if (!expect_host(ssl_, host)) return HttpProblem{ProblemKind::tls, tls_reason()};
    while (true) {
      ERR_clear_error();
      if (BIO_do_handshake(bio_.get()) == 1) return std::nullopt;
      if (auto problem = wait()) return problem;
    }
  }

  MaybeProblem send(std::string_view bytes) {
    while (!bytes.empty()) {
      ERR_clear_error();
      errno = 0;
      const int count = BIO_write(bio_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (count > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(count));
      } else if (auto problem = wait()) {
        return problem;
      }
    }
    return std::nullopt;
  }

  MaybeProblem receive(HttpResponse& response) {
    std::array<char, 16384> part{};
    while (!response.done()) {
      if (std::chrono::steady_clock::now() >= deadline_) return late();
      ERR_clear_error();
      errno = 0;
      const int count = BIO_read(bio_.get(), part.data(), static_cast<int>(part.size()));
      if (count > 0) {
        response.feed({part.data(), static_cast<std::size_t>(count)});
      } else if (is_end(count)) {
        response.end();
      } else if (auto problem = wait()) {
        return problem;
      }
    }
    return std::nullopt;
  }

 private:
  static HttpProblem late() { return {ProblemKind::timed_out, {}}; }

  /// TLS ends only with close_notify: an attacker can cut a connection.
  [[nodiscard]] bool is_end(int count) const {
    if (BIO_should_retry(bio_.get())) return false;
    return ssl_ == nullptr ? count == 0 : (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0 && ERR_peek_error() == 0;
  }

  /// Without a problem, the last call may be repeated.
  MaybeProblem wait() {
    if (!BIO_should_retry(bio_.get())) {
      const int error = errno;
      if (ssl_ != nullptr && ERR_peek_error() != 0) return tls_problem(ssl_);
      return HttpProblem{ProblemKind::unreachable, error == 0 ? "connection closed by the server" : error_text(error)};
    }
    const bool writes = BIO_should_write(bio_.get()) != 0;
    const auto wanted = writes ? Readiness::writable : Readiness::readable;
    return wait_ready(fd_.get(), wanted, deadline_) ? std::nullopt : MaybeProblem(late());
  }

  Fd fd_;
  Deadline deadline_;
  std::unique_ptr<BIO, FreeBio> bio_;
  SSL* ssl_ = nullptr;  // owned by bio_
};

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // EVP_EncodeBlock() adds a terminating NUL
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

HttpProblem unreachable(const Error& error) {
  if (error.attempt == look_up_attempt) {
    if (error.code == ENOENT) return {ProblemKind::unreachable, "name lookup found no address"};
    if (error.code == ETIMEDOUT) return {ProblemKind::unreachable, "name lookup timed out"};
    return {ProblemKind::unreachable, fmt::format("name lookup failed temporarily ({})", error_text(error.code))};
  }
  return {ProblemKind::unreachable, error_text(error.code)};
}

}  // namespace

std::string Url::authority() const {
  const std::string bare = host.substr(0, host.find('%'));  // a zone is meaningful only on this host
  return ipv6 ? fmt::format("[{}]:{}", bare, port) : fmt::format("{}:{}", bare, port);
}

std::string Url::display_text() const {
  return fmt::format("{}://{}{}{}:{}{}", tls ? "https" : "http", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port, path);
}

std::variant<Url, Problem> parse_url(std::string_view text) {
  Url url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://")) return refused("scheme is not http:// or https://");
  text.remove_prefix(url.tls ? 8 : 7);
  const std::size_t slash = std::min(text.find('/'), text.size());
  url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  if (!std::all_of(url.path.begin(), url.path.end(), is_path_character)) {
    return refused("invalid character in the path; remove a query or fragment");
  }
  if (url.path.find('@') != std::string::npos) return refused("/ before the @; write / in a user or password as %2F");
  std::string_view authority = text.substr(0, slash);
  if (std::string problem = parse_credentials(authority, url); !problem.empty()) return refused(std::move(problem));
  if (std::string problem = parse_host(authority, url); !problem.empty()) return refused(std::move(problem));
  url.port = url.tls ? 443 : 80;
  if (authority.empty()) return url;
  const auto port = authority.starts_with(':') ? parse_number<std::uint16_t>(authority.substr(1)) : std::nullopt;
  if (port.value_or(0) == 0) return refused("port is not a number from 1 to 65535");
  url.port = *port;
  return url;
}

HttpClient::HttpClient(const Url& url, const TlsFiles& files, Deadline deadline)
    : url_(url), files_(files), deadline_(deadline) {}

std::string HttpClient::request(const std::string& path) const {
  const std::string authorization =
      url_.credentials.empty() ? "" : fmt::format("Authorization: Basic {}\r\n", base64(url_.credentials));
  return fmt::format(
      "GET {}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: nswarden/{}\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n"
      "Connection: close\r\n{}\r\n",
      url_.path, path, url_.authority(), build_info().version, authorization);
}

std::variant<HttpAnswer, HttpProblem> HttpClient::get(const std::string& path) {
  if (url_.tls && !tls_) {
    ERR_clear_error();
    std::shared_ptr<SSL_CTX> tls(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    if (!tls) throw std::bad_alloc();
    SSL_CTX_set_min_proto_version(tls.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(tls.get(), SSL_VERIFY_PEER, nullptr);
    if (auto problem = load_files(tls.get(), files_)) return *problem;
    tls_ = std::move(tls);
  }
  auto fd = connect_to(url_.host, url_.port, deadline_);
  if (!fd) return unreachable(fd.error());
  Connection connection(std::move(*fd), deadline_);
  if (tls_) {
    if (auto problem = connection.start_tls(tls_.get(), url_.host)) return *problem;
  }
  // A server that rejects the request may respond and close before reading all of it.
  const MaybeProblem unsent = connection.send(request(path));
  HttpResponse response(max_body_bytes);
  if (const MaybeProblem problem = connection.receive(response)) {
    return unsent && problem->kind == ProblemKind::unreachable ? *unsent : *problem;
  }
  if (!response.problem().empty()) return unsent ? *unsent : HttpProblem{ProblemKind::invalid_response, response.problem()};
  return HttpAnswer{response.status(), std::move(response.body())};
}

}  // namespace nswarden
