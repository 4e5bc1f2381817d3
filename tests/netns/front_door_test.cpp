// SPDX-License-Identifier: Apache-2.0
// Connections on real sockets: which of them reach the server.
#include "web/front_door.hpp"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <catch.hpp>
#include <stretched.hpp>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace nswarden;
using namespace std::chrono_literals;

constexpr std::string_view complete = "GET / HTTP/1.0\r\n\r\n";
constexpr std::string_view partial = "GET / HTTP/1.0\r\n";

struct Server {
  Fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  FrontDoor door;

  explicit Server(std::chrono::milliseconds patience = 1h, std::size_t max_waiting = 8) : door(patience, max_waiting) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener.get(), 100) == 0);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  }

  [[nodiscard]] Fd client(std::string_view words) const {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    send(fd, words);
    return fd;
  }
  static void send(const Fd& fd, std::string_view words) {
    REQUIRE(::send(fd.get(), words.data(), words.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(words.size()));
  }

  bool poll(int timeout = 0) {
    pollfd fd{listener.get(), POLLIN, 0};
    const int result = door.poll(&fd, 1, timeout);
    CHECK(result == (fd.revents == POLLIN ? 1 : 0));
    return result == 1;
  }
  /// Polls until `expected` connections are waiting or one is ready.
  void settle(std::size_t expected) {
    for (int i = 0; i < 2000 && door.waiting() != expected; ++i) {
      if (poll(1)) return;
    }
  }
  Fd accept() {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    Fd fd(door.accept(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size));
    if (fd) CHECK(peer.sin_family == AF_INET);
    return fd;
  }
};

std::string received(const Fd& fd) {
  std::array<char, 100> bytes{};
  const ssize_t size = ::recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  return size <= 0 ? std::string() : std::string(bytes.data(), static_cast<std::size_t>(size));
}

/// Whether the peer has closed the connection.
bool is_closed(const Fd& fd) {
  char byte = 0;
  return ::recv(fd.get(), &byte, 1, 0) <= 0;
}

}  // namespace

TEST_CASE("a request is whole with the empty line, a record of TLS with its length, and anything when it is too long") {
  CHECK(is_complete_request(complete));
  CHECK(is_complete_request("GET / HTTP/1.0\n\n"));
  // Never a request that CivetWeb would continue to read.
  CHECK_FALSE(is_complete_request("G\n\r\n"));
  CHECK(is_complete_request("\r\n\r\n"));
  for (std::size_t size = 0; size < complete.size(); ++size) CHECK_FALSE(is_complete_request(complete.substr(0, size)));
  using namespace std::string_view_literals;
  constexpr auto hello = "\x16\x03\x01\x00\x04\n\n\n\n"sv;
  CHECK(is_complete_request(hello));
  for (std::size_t size = 0; size < hello.size(); ++size) CHECK_FALSE(is_complete_request(hello.substr(0, size)));
  CHECK_FALSE(is_complete_request("\x16\x03\x01\xff\xff" + std::string(8186, 'x')));
  CHECK(is_complete_request("\x16\x03\x01\xff\xff" + std::string(8187, 'x')));
  CHECK_FALSE(is_complete_request("\x16\x03\x01\x00\x00"sv));
  CHECK_FALSE(is_complete_request("\x16\x03\x01\x00\x00xyz"sv));
  CHECK_FALSE(is_complete_request(std::string(8191, 'x')));
  CHECK(is_complete_request(std::string(8192, 'x')));
}

TEST_CASE("who has said nothing, or half of it, waits while others are let in") {
  Server server;
  const Fd idle = server.client("");
  const Fd slow = server.client(partial);
  const Fd ready = server.client(complete);
  REQUIRE(server.poll(20000));
  const Fd first = server.accept();
  CHECK(received(first) == complete);
  CHECK_FALSE(server.accept());
  server.settle(2);
  CHECK(server.door.waiting() == 2);
  SECTION("and comes in with his last word, which nothing was taken from") {
    Server::send(slow, "\r\n");
    REQUIRE(server.poll(20000));
    const Fd second = server.accept();
    CHECK(received(second) == complete);
    CHECK(server.door.waiting() == 1);
  }
}

TEST_CASE("who asked first is served first, each on the socket that he came to") {
  Server server;
  const Fd one = server.client("GET /1 HTTP/1.0\r\n\r\n");
  const Fd two = server.client("GET /2 HTTP/1.0\r\n\r\n");
  server.settle(2);
  sockaddr_in peer{};
  socklen_t size = sizeof peer;
  CHECK(server.door.accept(server.listener.get() + 1000, reinterpret_cast<sockaddr*>(&peer), &size) == -1);
  const Fd first = server.accept();
  CHECK(received(first).starts_with("GET /1"));
  CHECK(server.poll());
  const Fd second = server.accept();
  CHECK(received(second).starts_with("GET /2"));
  CHECK_FALSE(server.poll());
}

TEST_CASE("patience ends") {
  Server server(test::stretched(50ms));
  const Fd idle = server.client("");
  const Fd slow = server.client(partial);
  server.settle(2);
  server.settle(0);
  CHECK(server.door.waiting() == 0);
  CHECK(is_closed(idle));
  CHECK(is_closed(slow));
}

TEST_CASE("what came in time counts, however late it is looked at") {
  Server server(test::stretched(50ms));
  const Fd slow = server.client(partial);
  server.settle(1);
  Server::send(slow, "\r\n");
  std::this_thread::sleep_for(test::stretched(100ms));  // the server is busy
  REQUIRE(server.poll(0));
  CHECK(received(server.accept()) == complete);
}

TEST_CASE("who leaves is forgotten") {
  Server server;
  Fd idle = server.client("");
  server.settle(1);
  idle.reset();
  server.settle(0);
  CHECK(server.door.waiting() == 0);
}

TEST_CASE("where all places are taken the one who came first gives way, but not who has said what he wants") {
  Server server(1h, 3);
  const Fd asked = server.client(complete);
  server.settle(1);
  std::vector<Fd> idle;
  for (int i = 0; i < 2; ++i) idle.push_back(server.client(""));
  const Fd served = server.accept();
  server.settle(2);
  const Fd other = server.client(partial);
  server.settle(3);
  const Fd another = server.client(partial);
  server.poll(20000);
  CHECK(is_closed(idle[0]));
  CHECK(server.door.waiting() == 3);
}

TEST_CASE("when files run out, those who wait give way") {
  Server server;
  std::vector<Fd> idle;
  for (int i = 0; i < 4; ++i) idle.push_back(server.client(""));
  server.settle(4);
  const Fd ready = server.client(complete);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  for (int i = 0; i < 5; ++i) server.poll(10);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(server.door.waiting() == 0);
  CHECK(is_closed(idle[0]));
  REQUIRE(server.poll(20000));
  CHECK(received(server.accept()) == complete);
}

TEST_CASE("a door that is closed lets its thread go, now and later") {
  Server server;
  std::thread closer([&] { server.door.close(); });
  CHECK_FALSE(server.poll(-1));
  CHECK_FALSE(server.poll(-1));
  closer.join();
}

TEST_CASE("in a thread without a door the two functions are those of the system") {
  Server server;
  pollfd fd{server.listener.get(), POLLIN, 0};
  CHECK(nswarden_poll(&fd, 1, 0) == 0);
  const Fd idle = server.client("");
  CHECK(nswarden_poll(&fd, 1, 20000) == 1);
  const Fd taken(nswarden_accept(server.listener.get(), nullptr, nullptr));
  CHECK(taken);
}

namespace {

/// Result and duration of nswarden_poll() in a worker thread, for a connection and `timeout`.
struct Answering {
  int result = 0;
  std::chrono::steady_clock::duration took{};

  Answering(Server& server, const Fd& connection, int timeout) {
    std::thread([&] {
      server.door.attach_worker();
      pollfd fd{connection.get(), POLLIN, 0};
      const auto began = std::chrono::steady_clock::now();
      result = nswarden_poll(&fd, 1, timeout);
      took = std::chrono::steady_clock::now() - began;
    }).join();
  }
};

}  // namespace

TEST_CASE("who stops in the middle is waited for while there is a thread for the next one") {
  Server server(test::stretched(320ms));
  const Fd client = server.client(complete);
  REQUIRE(server.poll(20000));
  const Fd served = server.accept();
  CHECK(received(served) == complete);
  server.poll();  // the server polls again: a thread has taken the connection
  const Answering answering(server, served, 200);
  CHECK(answering.result == 0);
  CHECK(answering.took >= 200ms);
  Server::send(client, "more");
  CHECK(Answering(server, served, 20000).result == 1);
  CHECK(received(served) == "more");
}

TEST_CASE("who stops in the middle is let go when the next one has no thread") {
  Server server(test::stretched(320ms));
  const Fd stopped = server.client(complete);
  const Fd next = server.client(complete);
  REQUIRE(server.poll(20000));
  const Fd served = server.accept();
  CHECK(received(served) == complete);
  server.settle(1);
  REQUIRE(server.poll(20000));
  const Fd kept_waiting = server.accept();
  REQUIRE(kept_waiting);
  const Answering answering(server, served, 60000);
  CHECK(answering.result == 1);
  CHECK(answering.took >= 10ms);  // 1/32 of the patience
  CHECK(is_closed(served));
  CHECK(is_closed(stopped));
  CHECK(received(kept_waiting) == complete);
}
