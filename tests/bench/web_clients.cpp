// SPDX-License-Identifier: Apache-2.0
#include "web_clients.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <nswarden/os/fd.hpp>

namespace nswarden::bench {

/// Memory shared by the crowd's process and the one that counts.
struct Load::Board {
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> answers{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::uint64_t> closed_by_server{0};
  std::array<float, std::size_t{1} << 20U> took{};  // microseconds, latest answers

  void note(Clock::time_point began) {
    took[answers % took.size()] = static_cast<float>(microseconds(Clock::now() - began));
    ++answers;
  }
};

namespace {

using std::chrono::seconds;

constexpr seconds patience{60};
constexpr seconds retry_delay{5};

void check(bool done, const char* attempt) {
  if (!done) throw std::system_error(errno, std::generic_category(), attempt);
}

struct Free {
  void operator()(SSL* ssl) const { ::SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
};
using Tls = std::unique_ptr<SSL, Free>;

/// Skips verification of the server: it costs the client time, not the server.
SSL_CTX* tls_context() {
  static const std::unique_ptr<SSL_CTX, Free> context(::SSL_CTX_new(::TLS_client_method()));
  return context.get();
}

Tls tls_over(int fd) {
  Tls tls(::SSL_new(tls_context()));
  if (!tls || ::SSL_set_fd(tls.get(), fd) != 1) throw std::bad_alloc();
  ::SSL_set_connect_state(tls.get());
  return tls;
}

std::string request_for(const std::string& path, Speech speech) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: bench\r\n{}Connection: close\r\n\r\n", path,
                     speech == Speech::gzip ? "Accept-Encoding: gzip\r\n" : "");
}

/// A client's ClientHello.
std::string first_hello() {
  const Tls tls(::SSL_new(tls_context()));
  if (!tls) throw std::bad_alloc();
  BIO* const sent = ::BIO_new(::BIO_s_mem());
  ::SSL_set_bio(tls.get(), ::BIO_new(::BIO_s_mem()), sent);
  (void)::SSL_connect(tls.get());
  std::string hello(4096, '\0');
  const int size = ::BIO_read(sent, hello.data(), static_cast<int>(hello.size()));
  if (size <= 0) throw std::runtime_error("no ClientHello");
  hello.resize(static_cast<std::size_t>(size));
  return hello;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool is_connected(const Fd& fd, std::uint16_t port) {
  const int at_once = 1;  // as Go's clients do, and hence Prometheus
  check(::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once) == 0, "TCP_NODELAY");
  const sockaddr_in address = loopback(port);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EINPROGRESS;
}

/// send() and recv() semantics: -1 with EAGAIN if it would block, 0 at the end.
ssize_t as_socket_result(SSL* tls, int done) {
  if (done > 0) return done;
  const int error = ::SSL_get_error(tls, done);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
  return -1;
}
ssize_t put(const Fd& fd, SSL* tls, std::string_view text) {
  if (tls == nullptr) return ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  return as_socket_result(tls, ::SSL_write(tls, text.data(), static_cast<int>(text.size())));
}
template <std::size_t Size>
ssize_t take(const Fd& fd, SSL* tls, std::array<char, Size>& bytes) {
  if (tls == nullptr) return ::recv(fd.get(), bytes.data(), bytes.size(), 0);
  return as_socket_result(tls, ::SSL_read(tls, bytes.data(), static_cast<int>(bytes.size())));
}

struct Client {
  Behaviour behaviour = Behaviour::storm;
  Fd fd;
  Tls tls;
  std::size_t sent = 0;
  std::string received;
  Clock::time_point began;
  Clock::time_point due;
};

class Crowds {
 public:
  Crowds(std::uint16_t port, bool tls, const std::vector<Crowd>& crowds, Load::Board& board)
      : port_(port),
        tls_(tls),
        hello_(first_hello()),
        request_(request_for("/metrics", Speech::http)),
        board_(board),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (const Crowd& crowd : crowds) {
      for (std::size_t i = 0; i < crowd.clients; ++i) clients_.emplace_back().behaviour = crowd.behaviour;
      slow_ = slow_ || crowd.behaviour != Behaviour::storm;
    }
  }

  [[noreturn]] void run() {
    for (Client& client : clients_) {
      begin(client);
      ++board_.begun;
    }
    std::array<epoll_event, 64> events{};
    while (true) {
      const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), slow_ ? 20 : -1);
      for (int i = 0; i < ready; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        proceed(clients_[event.data.u64], event.events);
      }
      if (slow_) check_clock();
    }
  }

 private:
  void begin(Client& client) {
    client.tls.reset();
    client.fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    check(static_cast<bool>(client.fd), "socket");
    client.sent = 0;
    client.received.clear();
    client.began = Clock::now();
    client.due = client.began + seconds(1);
    // Makes the port reusable immediately: the storm would exhaust all ports.
    const linger no_wait{1, 0};
    check(::setsockopt(client.fd.get(), SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait) == 0, "SO_LINGER");
    if (client.behaviour == Behaviour::slow_reader) {
      const int least = 1;
      check(::setsockopt(client.fd.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least) == 0, "SO_RCVBUF");
    }
    check(is_connected(client.fd, port_), "connect");
    if (client.behaviour == Behaviour::storm && tls_) client.tls = tls_over(client.fd.get());
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = static_cast<std::uint64_t>(&client - clients_.data());
    check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client.fd.get(), &event) == 0, "epoll_ctl");
  }

  void proceed(Client& client, std::uint32_t events) {
    if (client.behaviour == Behaviour::storm) {
      request_response(client);
      return;
    }
    if ((events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0) {
      ++board_.closed_by_server;
      begin(client);
    } else if ((events & EPOLLOUT) != 0) {
      send_until(client, at_once(client));
    }
  }

  void request_response(Client& client) {
    if (client.sent < request_.size()) {
      const ssize_t put_size = put(client.fd, client.tls.get(), request_);
      if (put_size < 0 && errno == EAGAIN) return;
      client.sent = request_.size();  // a text this short is sent as a whole or not at all
    }
    std::array<char, 65536> bytes;
    while (true) {
      const ssize_t size = take(client.fd, client.tls.get(), bytes);
      if (size > 0) {
        client.received.append(bytes.data(), static_cast<std::size_t>(size));
        continue;
      }
      if (size < 0 && errno == EAGAIN) return;
      if (is_complete_answer(client.received)) {
        board_.note(client.began);
      } else {
        ++board_.failures;
      }
      begin(client);
      return;
    }
  }

  /// The client's complete message.
  [[nodiscard]] std::string_view text(const Client& client) const {
    const bool starts_tls = client.behaviour == Behaviour::half_hello || client.behaviour == Behaviour::whole_hello;
    return starts_tls || (tls_ && client.behaviour == Behaviour::slow_sender) ? hello_ : request_;
  }
  [[nodiscard]] std::size_t at_once(const Client& client) const {
    switch (client.behaviour) {
      case Behaviour::half_hello: return hello_.size() / 2;
      case Behaviour::slow_reader:
      case Behaviour::whole_hello: return text(client).size();
      default: return 0;
    }
  }

  void send_until(Client& client, std::size_t until) const {
    if (client.sent >= until) return;
    const ssize_t size = put(client.fd, nullptr, text(client).substr(client.sent, until - client.sent));
    if (size > 0) client.sent += static_cast<std::size_t>(size);
  }

  void check_clock() {
    const auto now = Clock::now();
    for (Client& client : clients_) {
      if (now < client.due) continue;
      client.due += seconds(1);
      if (client.behaviour == Behaviour::slow_sender) send_until(client, std::min(client.sent + 1, text(client).size() - 1));
      if (client.behaviour != Behaviour::slow_reader) continue;
      std::array<char, 1> byte{};
      (void)take(client.fd, nullptr, byte);
      if (now > client.began + retry_delay) begin(client);
    }
  }

  std::uint16_t port_;
  bool tls_;
  std::string hello_;
  std::string request_;
  Load::Board& board_;
  Fd epoll_;
  std::vector<Client> clients_;
  bool slow_ = false;
};

}  // namespace

bool is_complete_answer(const std::string& answer) {
  constexpr std::string_view length = "\r\nContent-Length: ";
  const std::size_t body = answer.find("\r\n\r\n");
  const std::size_t at = answer.find(length);
  if (answer.rfind("HTTP/1.1 200 ", 0) != 0 || body == std::string::npos || at > body) return false;
  return std::strtoul(answer.c_str() + at + length.size(), nullptr, 10) == answer.size() - body - 4;
}

std::string ask(std::uint16_t port, const std::string& path, Speech speech) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{patience.count(), 0};
  check(fd && ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0, "socket");
  if (!is_connected(fd, port)) return {};
  const Tls tls = speech == Speech::tls ? tls_over(fd.get()) : nullptr;
  if (put(fd, tls.get(), request_for(path, speech)) < 0) return {};
  std::string answer;
  std::array<char, 65536> bytes;
  ssize_t size = 0;
  while ((size = take(fd, tls.get(), bytes)) > 0) answer.append(bytes.data(), static_cast<std::size_t>(size));
  return answer;
}

Load::Load(std::uint16_t port, bool tls, std::vector<Crowd> crowds, Priority priority) {
  void* const memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  check(memory != MAP_FAILED, "mmap");
  board_ = {new (memory) Board, [](Board* board) { ::munmap(board, sizeof(Board)); }};
  std::size_t clients = 0;
  for (const Crowd& crowd : crowds) clients += crowd.clients;
  child_ = std::make_unique<Child>([&] {
    const OnFirstCore here;
    const sched_param none{};
    check(priority == Priority::usual || ::sched_setscheduler(0, SCHED_IDLE, &none) == 0, "SCHED_IDLE");
    Crowds(port, tls, crowds, *board_).run();
  });
  for (int i = 0; i < 6000 && board_->begun < clients; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (board_->begun < clients) throw std::runtime_error("the clients of the load do not begin");
  count();
}

void Load::count() {
  answers_before_ = board_->answers;
  closed_before_ = board_->closed_by_server;
  since_ = Clock::now();
}

std::uint64_t Load::answers() const { return board_->answers - answers_before_; }
std::uint64_t Load::failures() const { return board_->failures; }
std::uint64_t Load::closed_by_server() const { return board_->closed_by_server - closed_before_; }

std::vector<double> Load::took() const {
  const std::uint64_t now = board_->answers;
  const std::uint64_t first = now - std::min<std::uint64_t>(answers(), board_->took.size());
  std::vector<double> all;
  for (std::uint64_t i = first; i < now; ++i) all.push_back(static_cast<double>(board_->took[i % board_->took.size()]));
  return all;
}

}  // namespace nswarden::bench
