// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <catch.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/web/web_server.hpp>

#include <array>
#include <chrono>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace nswarden;
using nswarden::Fd;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto patience = 20s;

struct Site {
  Metrics metrics;
  SnapshotSlot snapshots;
  WebOptions options;
  std::string reload_problem;
  std::unique_ptr<WebServer> server;

  explicit Site(std::vector<std::string> addresses = {"127.0.0.1:0"}, std::chrono::milliseconds timeout = 2s) {
    options.request_timeout = timeout;
    options.listen_addresses = std::move(addresses);
    options.enable_lifecycle = true;
    server = std::make_unique<WebServer>(options, sources());
  }
  WebSources sources() {
    return {&metrics, &snapshots, [this] { return reload_problem; }};
  }
  std::uint16_t port(std::size_t index = 0) const {
    const std::string& address = server->addresses().at(index);
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
};

// Also called from client threads, where Catch2 assertions are not permitted: an invalid fd or an empty response means failure.
Fd connect_to(std::uint16_t port, int receive_buffer = 0) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (receive_buffer > 0) ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

void send(const Fd& fd, std::string_view text) { ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL); }

/// Reads until the server closes the connection.
std::string receive(const Fd& fd) {
  if (!fd) return "";
  std::string all;
  std::array<char, 65536> part{};
  const auto deadline = Clock::now() + patience;
  pollfd ready{fd.get(), POLLIN, 0};
  while (Clock::now() < deadline && ::poll(&ready, 1, 1000) >= 0) {
    if (ready.revents == 0) continue;
    const ssize_t count = ::recv(fd.get(), part.data(), part.size(), 0);
    if (count <= 0) return all;
    all.append(part.data(), static_cast<std::size_t>(count));
  }
  return "the server does not close";
}

std::string request_response(std::uint16_t port, const std::string& request) {
  const Fd fd = connect_to(port);
  send(fd, request);
  return receive(fd);
}

std::string get(std::uint16_t port, const std::string& path, const std::string& fields = "") {
  return request_response(port, "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
}

std::string status_of(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }
std::string head_of(const std::string& answer) { return answer.substr(0, answer.find("\r\n\r\n") + 2); }
std::string body_of(const std::string& answer) {
  const auto end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}
std::string field_of(const std::string& answer, const std::string& name) {
  const std::string head = head_of(answer);
  const auto start = head.find("\r\n" + name + ": ");
  if (start == std::string::npos) return "absent";
  const auto value = start + name.size() + 4;
  return head.substr(value, head.find("\r\n", value) - value);
}

std::string refusal(std::vector<std::string> addresses) {
  try {
    const Site site(std::move(addresses));
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a GET over TCP is answered with its length and nothing that tells of the server") {
  const Site site;
  CHECK(site.server->addresses().at(0).rfind("127.0.0.1:", 0) == 0);
  CHECK(site.port() != 0);
  const std::string answer = get(site.port(), "/-/healthy");
  CHECK(status_of(answer) == "HTTP/1.1 200 OK");
  CHECK(body_of(answer) == "nswarden is healthy.\n");
  CHECK(field_of(answer, "Content-Length") == std::to_string(body_of(answer).size()));
  CHECK(field_of(answer, "Content-Type") == "text/plain; charset=utf-8");
  CHECK(field_of(answer, "Date").size() == std::string("Sun, 06 Nov 1994 08:49:37 GMT").size());
  CHECK(field_of(answer, "Server") == "absent");
  CHECK(field_of(answer, "Access-Control-Allow-Origin") == "absent");
}

TEST_CASE("HEAD gives the head of GET and no body") {
  const Site site;
  for (const char* path : {"/", "/metrics", "/-/healthy", "/-/ready", "/nothing"}) {
    INFO(path);
    const std::string with_body = get(site.port(), path);
    const std::string answer = request_response(site.port(), std::string("HEAD ") + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(status_of(answer) == status_of(with_body));
    CHECK(body_of(answer).empty());
    CHECK(field_of(answer, "Content-Length") == field_of(with_body, "Content-Length"));
    CHECK(field_of(answer, "Content-Length") != "0");
  }
}

TEST_CASE("POST reloads, with a body or without, and a wrong method is told which ones are right") {
  Site site;
  CHECK(status_of(request_response(site.port(), "POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")) ==
        "HTTP/1.1 200 OK");
  CHECK(status_of(request_response(site.port(), "POST /-/reload HTTP/1.1\r\nHost: a\r\n\r\n")) == "HTTP/1.1 200 OK");
  CHECK(status_of(request_response(site.port(), "POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")) ==
        "HTTP/1.1 200 OK");
  site.reload_problem = "no";
  CHECK(status_of(request_response(site.port(), "POST /-/reload HTTP/1.1\r\nHost: a\r\n\r\n")) ==
        "HTTP/1.1 500 Internal Server Error");
  CHECK(field_of(get(site.port(), "/-/reload"), "Allow") == "POST");
  const std::string answer = request_response(site.port(), "DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(status_of(answer) == "HTTP/1.1 405 Method Not Allowed");
  CHECK(field_of(answer, "Allow") == "GET, HEAD");
}

TEST_CASE("a request for which there is no memory is answered 503, and the next one is served") {
  Site site;
  site.server.reset();
  WebSources sources = site.sources();
  sources.reload = []() -> std::string { throw std::bad_alloc(); };
  site.server = std::make_unique<WebServer>(site.options, std::move(sources));
  const std::string answer = request_response(site.port(), "POST /-/reload HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(status_of(answer) == "HTTP/1.1 503 Service Unavailable");
  CHECK(field_of(answer, "Content-Length") == "0");
  CHECK(status_of(get(site.port(), "/-/healthy")) == "HTTP/1.1 200 OK");
}

TEST_CASE("only exact paths are answered, however they are written") {
  const Site site;
  for (const char* path : {"/metrics", "/metrics?x=1", "/%6detrics"}) {
    INFO(path);
    CHECK(status_of(get(site.port(), path)) == "HTTP/1.1 200 OK");
  }
  const std::string absolute = "http://127.0.0.1:" + std::to_string(site.port()) + "/metrics";
  CHECK(status_of(get(site.port(), absolute)) == "HTTP/1.1 200 OK");
  for (const char* path : {"/metricsfoo", "/metrics/", "//metrics", "/x/../metrics", "/metrics/../x", "/metrics/../metrics",
                           "/./metrics", "/metrics%00", "/metrics%00x", "/%2fmetrics", "/metrics%3fx", "/metrics;x",
                           "\\metrics", "/..%2f..%2fetc/passwd", "/etc/passwd", "/%"}) {
    INFO(path);
    const std::string status = status_of(get(site.port(), path));
    CHECK((status == "HTTP/1.1 404 Not Found" || status == "HTTP/1.1 400 Bad Request"));
  }
}

TEST_CASE("metrics are packed on request") {
  const Site site;
  const std::string answer = get(site.port(), "/metrics", "Accept-Encoding: gzip;q=1.0, identity;q=0.5\r\n");
  CHECK(field_of(answer, "Content-Encoding") == "gzip");
  CHECK(field_of(answer, "Content-Length") == std::to_string(body_of(answer).size()));
  CHECK(body_of(answer).substr(0, 2) == "\x1f\x8b");
  CHECK(field_of(get(site.port(), "/metrics", "Accept-Encoding: gzip;q=0\r\n"), "Content-Encoding") == "absent");
}

TEST_CASE("a client that sends slowly is heard, and one that takes longer than the timeout is not") {
  const Site site({"127.0.0.1:0"}, 200ms);
  const Fd slow = connect_to(site.port());
  for (const char c : std::string("GET /-/healthy HTTP/1.1\r\n\r\n")) {
    send(slow, std::string(1, c));
    std::this_thread::yield();
  }
  CHECK(body_of(receive(slow)) == "nswarden is healthy.\n");

  const Fd idle = connect_to(site.port());
  send(idle, "GET /-/hea");
  const auto start = Clock::now();
  CHECK(receive(idle).find("200 OK") == std::string::npos);
  CHECK(Clock::now() - start < 6s);
}

TEST_CASE("connections that say nothing delay a scrape by no more than the timeout") {
  const Site site({"127.0.0.1:0"}, 200ms);
  std::vector<Fd> idle;
  for (int i = 0; i < 16; ++i) idle.push_back(connect_to(site.port()));
  const auto start = Clock::now();
  CHECK(status_of(get(site.port(), "/metrics")) == "HTTP/1.1 200 OK");
  CHECK(Clock::now() - start < 8s);
}

TEST_CASE("four idle connections do not delay a scrape at all") {
  const Site site;
  std::vector<Fd> idle;
  for (int i = 0; i < 4; ++i) idle.push_back(connect_to(site.port()));
  const auto start = Clock::now();
  CHECK(status_of(get(site.port(), "/metrics")) == "HTTP/1.1 200 OK");
  CHECK(Clock::now() - start < 1500ms);
}

TEST_CASE("garbage, a huge head and a body without end do no harm") {
  const Site site;
  std::string garbage;
  for (int i = 0; i < 64; ++i) garbage += static_cast<char>(i * 37 + 128);
  CHECK(request_response(site.port(), garbage + "\r\n\r\n").find("200 OK") == std::string::npos);
  CHECK(request_response(site.port(), garbage).find("200 OK") == std::string::npos);
  const std::string huge = "GET /-/healthy HTTP/1.1\r\nX: " + std::string(60000, 'x') + "\r\n\r\n";
  {
    const Fd fd = connect_to(site.port());
    // The server may close the connection before it has read everything.
    if (::send(fd.get(), huge.data(), huge.size(), MSG_NOSIGNAL) > 0) CHECK(receive(fd).find("200 OK") == std::string::npos);
  }
  const std::string endless = request_response(site.port(), "POST /-/reload HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nx");
  CHECK(status_of(endless) == "HTTP/1.1 200 OK");
  CHECK(status_of(get(site.port(), "/-/healthy")) == "HTTP/1.1 200 OK");
}

TEST_CASE("pipelined requests: the first is answered and the connection closed") {
  const Site site;
  const std::string answer =
      request_response(site.port(), "GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(field_of(answer, "Connection") == "close");
  CHECK(body_of(answer) == "nswarden is healthy.\n");
}

TEST_CASE("clients that leave before the answer do no harm") {
  const Site site;
  for (int i = 0; i < 50; ++i) {
    const Fd fd = connect_to(site.port());
    send(fd, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    const linger reset{1, 0};
    if (i % 2 == 0) ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  CHECK(status_of(get(site.port(), "/metrics")) == "HTTP/1.1 200 OK");
}

TEST_CASE("many clients at once are all answered while the loop publishes") {
  Site site;
  std::vector<std::thread> clients;
  std::array<int, 4> answered{};
  for (std::size_t client = 0; client < answered.size(); ++client) {
    clients.emplace_back([&site, &answered, client] {
      for (int i = 0; i < 25; ++i) {
        const std::string answer = get(site.port(), "/metrics", i % 2 == 0 ? "Accept-Encoding: gzip\r\n" : "");
        if (field_of(answer, "Content-Length") == std::to_string(body_of(answer).size())) ++answered[client];
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->netns_pending = static_cast<std::size_t>(i);
    site.snapshots.publish(snapshot);
    site.metrics.event("inotify", "IN_CREATE");
  }
  for (auto& client : clients) client.join();
  for (const int count : answered) CHECK(count == 25);
}

#ifdef NSWARDEN_WEB_TLS  // requires FrontDoor
TEST_CASE("idle and slow clients hold up nobody, however long they may wait") {
  Site site({"127.0.0.1:0"}, 1h);
  std::vector<Fd> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(connect_to(site.port()));
    if (i % 2 == 0) send(clients.back(), "GET /metrics HT");
  }
  for (int i = 0; i < 20; ++i) CHECK(get(site.port(), "/-/healthy").starts_with("HTTP/1.1 200"));
  for (const Fd& client : clients) {
    send(client, "G");  // also while they send more
  }
  CHECK(get(site.port(), "/-/healthy").starts_with("HTTP/1.1 200"));
}
#endif

TEST_CASE("the server ends quickly with idle, half-sent and unread connections open") {
  Site site;
  // A response larger than the maximum send buffer (4 MiB by default), for a client that stops reading.
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->drift.resize(25000);
  snapshot->series_limit = snapshot->drift.size();
  for (std::size_t i = 0; i < snapshot->drift.size(); ++i)
    snapshot->drift[i].finding.netns = std::to_string(i) + std::string(400, 'x');
  site.snapshots.publish(snapshot);
  const Fd idle = connect_to(site.port());
  const Fd half = connect_to(site.port());
  send(half, "GET /metr");
  const Fd unread = connect_to(site.port(), 4096);
  send(unread, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  // After this much, the server is waiting for buffer space.
  std::vector<char> part(5 << 20);
  REQUIRE(::recv(unread.get(), part.data(), part.size(), MSG_WAITALL) == static_cast<ssize_t>(part.size()));
  const std::uint16_t port = site.port();
  const auto start = Clock::now();
  site.server.reset();
  CHECK(Clock::now() - start < 1s);

  const Fd after(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(after.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0);
}

TEST_CASE("no thread of the server takes signals") {
  const Site site;
  CHECK(status_of(get(site.port(), "/-/healthy")) == "HTTP/1.1 200 OK");
  DIR* tasks = ::opendir("/proc/self/task");
  REQUIRE(tasks != nullptr);
  int checked = 0;
  while (const dirent* task = ::readdir(tasks)) {
    const std::string name = task->d_name;
    std::ifstream status("/proc/self/task/" + name + "/status");
    std::string line, thread, blocked;
    while (std::getline(status, line)) {
      if (line.rfind("Name:", 0) == 0) thread = line.substr(6);
      if (line.rfind("SigBlk:", 0) == 0) blocked = line.substr(8);
    }
    if (thread.find("civetweb") == std::string::npos) continue;
    ++checked;
    INFO(thread << " " << blocked);
    // SIGHUP, SIGINT and SIGTERM.
    CHECK((std::stoull(blocked, nullptr, 16) & 0x4003) == 0x4003);
  }
  ::closedir(tasks);
  CHECK(checked > 1);
}

TEST_CASE("several addresses are served in the order they were given") {
  const Site site({"127.0.0.1:0", "localhost:0", ":0"});
  REQUIRE(site.server->addresses().size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    INFO(site.server->addresses()[i]);
    CHECK(status_of(get(site.port(i), "/-/healthy")) == "HTTP/1.1 200 OK");
  }
}

TEST_CASE("an address that cannot be had is refused with one clear line") {
  const Site first;
  const std::string taken = "127.0.0.1:" + std::to_string(first.port());
  CHECK(refusal({taken}) ==
        "cannot listen on " + taken +
            ": address already in use, possibly by another nswarden; stop it, or choose another --web.listen-address");
  CHECK(refusal({"127.0.0.1:0", taken}).find(taken + ": address already in use") != std::string::npos);
  CHECK(refusal({"192.0.2.1:0"}) == "cannot listen on 192.0.2.1:0: not an address of this host");
  CHECK(refusal({"10042"}) == "cannot listen on 10042: invalid address, expected :PORT, HOST:PORT or [V6]:PORT");
  CHECK(refusal({"no-such-host.invalid:0"}) == "cannot listen on no-such-host.invalid:0: no such host");
  const std::string v6 = refusal({"[::1]:0"});
  CHECK((v6.empty() || v6.rfind("cannot listen on [::1]:0: ", 0) == 0));
}

TEST_CASE("the same address twice is refused") {
  std::uint16_t port = 0;
  { port = Site().port(); }
  const std::string address = "127.0.0.1:" + std::to_string(port);
  CHECK(refusal({address, address}).find(address + ": address already in use") != std::string::npos);
}
