// SPDX-License-Identifier: Apache-2.0
// The input is sent by a client to the real server. For any input, the server sends at most one response of the correct
// length and then serves the next client. CivetWeb is a system library without instrumentation.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>

#include <nswarden/os/fd.hpp>
#include <nswarden/web/web_server.hpp>

#include "oracle.hpp"

using namespace nswarden;

namespace {

struct Server {
  Metrics metrics;
  SnapshotSlot snapshots;
  WebServer web;

  Server() : web(options(), {&metrics, &snapshots, [] { return std::string("refused"); }}) {}

  static WebOptions options() {
    WebOptions options;
    options.listen_addresses = {"127.0.0.1:0"};
    options.enable_lifecycle = true;
    // Only a client that keeps sending would wait this long; this client closes its side.
    options.request_timeout = std::chrono::milliseconds{500};
    return options;
  }

  [[nodiscard]] std::uint16_t port() const {
    const std::string& address = web.addresses().at(0);
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
};

/// Connects from a different address of 127.0.0.0/8 each time. After about 28000 connections all ports of one address would
/// be in TIME_WAIT, and no program on this host could connect from it.
Fd connection_to(std::uint16_t port) {
  static std::uint32_t clients = 0;
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 0x100 + ++clients % 0x10000);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int connected = -1;
  // libFuzzer's timer signal interrupts system calls.
  do {
    connected = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (connected != 0 && errno == EINTR);
  fuzz::require(bound == 0 && connected == 0, "the server takes connections", std::to_string(errno));
  return fd;
}

/// The server's whole response to `bytes`, after which the client shuts down its side.
std::string answer_to(std::string_view bytes, std::uint16_t port) {
  const Fd fd = connection_to(port);
  const timeval patience{4, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  ::shutdown(fd.get(), SHUT_WR);
  std::string all;
  std::array<char, 65536> part{};
  while (true) {
    const ssize_t count = ::recv(fd.get(), part.data(), part.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    fuzz::require(count >= 0 || errno == ECONNRESET, "the server answers or closes in time", bytes);
    if (count <= 0) return all;
    all.append(part.data(), static_cast<std::size_t>(count));
  }
}

/// The numeric value of a header; -1 unless it occurs exactly once.
int number_after(std::string_view head, std::string_view name) {
  const std::size_t at = head.find(name);
  if (at == std::string_view::npos || head.find(name, at + 1) != std::string_view::npos) return -1;
  int number = -1;
  std::from_chars(head.data() + at + name.size(), head.data() + head.size(), number);
  return number;
}

/// CivetWeb's own error response: it repeats the client's version, omits the length, and closes the connection.
bool is_refusal(std::string_view head) {
  return head.starts_with("HTTP/") && head.find("\r\nCache-Control: no-cache, no-store") != std::string_view::npos;
}

void check_answer(std::string_view request, std::string_view answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  fuzz::require(end != std::string_view::npos, "an answer has a head", answer);
  const std::string_view head = answer.substr(0, end + 2);
  const std::string_view body = answer.substr(end + 4);
  if (is_refusal(head)) return;
  fuzz::require(head.starts_with("HTTP/1.1 ") && head.find("\r\nConnection: close\r\n") != std::string_view::npos,
                "an answer is HTTP, and the only one", head);
  const int status = number_after(head, "HTTP/1.1 ");
  constexpr std::array known{200, 404, 405, 500, 503};
  fuzz::require(std::find(known.begin(), known.end(), status) != known.end(), "a status is one of ours", head);
  // CivetWeb skips empty lines before a request.
  const std::size_t start = std::min(request.find_first_not_of(" \t\r\n\v\f"), request.size());
  const bool is_head = request.substr(start).starts_with("HEAD");
  const int length = number_after(head, "\r\nContent-Length: ");
  fuzz::require(!is_head || body.empty(), "HEAD has no body", answer);
  fuzz::require(is_head ? length > 0 : length == static_cast<int>(body.size()), "a body is as long as it says", answer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Never destroyed: libFuzzer exits while the server's threads run.
  static const Server& server = *new Server;
  static const std::uint16_t port = server.port();
  const std::string_view request = fuzz::input(data, size);
  const std::string answer = answer_to(request, port);
  if (!answer.empty()) check_answer(request, answer);
  const std::string next = answer_to("GET /-/healthy HTTP/1.0\r\n\r\n", port);
  fuzz::require(next.starts_with("HTTP/1.1 200 ") && next.ends_with("\r\n\r\nnswarden is healthy.\n"), "the next one is served",
                next);
  return 0;
}
