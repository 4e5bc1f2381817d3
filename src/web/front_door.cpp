// SPDX-License-Identifier: Apache-2.0
#include "web/front_door.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

namespace nswarden {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t longest_request = 8192;  // the server rejects longer requests
constexpr unsigned char tls_handshake = 0x16;
constexpr std::size_t tls_header = 5;
// Long enough to cost nothing if the kernel keeps returning the same error.
constexpr milliseconds pause_after_failure{10};

thread_local FrontDoor* acceptor_door = nullptr;
thread_local FrontDoor* worker_door = nullptr;

/// Returns the socket's cookie, which the kernel never reuses; 0 on error.
std::uint64_t cookie_of(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

/// The connection that the calling thread waits for, and since when.
struct AwaitedConnection {
  std::uint64_t cookie = 0;
  std::chrono::steady_clock::time_point since;
};
thread_local AwaitedConnection awaited;

/// Increments a counter for its lifetime.
class Counted {
 public:
  explicit Counted(std::atomic<int>& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::atomic<int>& count_;
};

Fd made(int fd, const char* attempt) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), attempt);
  return Fd(fd);
}

bool is_resource_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

bool add_to(const Fd& epoll, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
}

enum class Received { partial, complete, closed };

Received peek(int fd) {
  std::array<char, longest_request> bytes;
  const ssize_t size = ::recv(fd, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? Received::partial : Received::closed;
  if (size == 0) return Received::closed;
  return is_complete_request({bytes.data(), static_cast<std::size_t>(size)}) ? Received::complete : Received::partial;
}

}  // namespace

bool is_complete_request(std::string_view sent) {
  if (sent.size() >= longest_request) return true;
  const auto byte = [sent](std::size_t at) { return static_cast<unsigned char>(sent[at]); };
  if (!sent.empty() && byte(0) == tls_handshake) {
    if (sent.size() <= tls_header) return false;
    const std::size_t length = byte(3) * 256U + byte(4);
    return length > 0 && sent.size() - tls_header >= length;
  }
  return sent.find("\r\n\r\n") != std::string_view::npos || sent.find("\n\n") != std::string_view::npos;
}

FrontDoor::FrontDoor(milliseconds patience, std::size_t max_waiting)
    : patience_(patience),
      stall_limit_(patience / 32),
      max_waiting_(max_waiting),
      epoll_(made(::epoll_create1(EPOLL_CLOEXEC), "cannot create an epoll instance")),
      closing_(made(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "cannot create an eventfd")) {
  connections_.reserve(max_waiting);
  constexpr std::size_t max_listeners = 256;
  listeners_.reserve(max_listeners);
  if (!add_to(epoll_, closing_.get(), EPOLLIN))
    throw std::system_error(errno, std::generic_category(), "cannot poll an eventfd");
}

void FrontDoor::attach_acceptor() { acceptor_door = this; }

void FrontDoor::attach_worker() {
  worker_door = this;
  ++answering_;
}

void FrontDoor::close() {
  const std::uint64_t one = 1;
  (void)!::write(closing_.get(), &one, sizeof one);
}

/// Returns false on error.
bool FrontDoor::watch(int listener) {
  if (std::find(listeners_.begin(), listeners_.end(), listener) != listeners_.end()) return true;
  if (listeners_.size() == listeners_.capacity()) return false;
  // A blocking accept4() would wait for the next client if the pending one disconnects first.
  const int flags = ::fcntl(listener, F_GETFL);
  if (flags < 0 || ::fcntl(listener, F_SETFL, flags | O_NONBLOCK) != 0) return false;
  if (!add_to(epoll_, listener, EPOLLIN)) return false;
  listeners_.push_back(listener);
  return true;
}

int FrontDoor::poll(pollfd* listeners, nfds_t count, int timeout) {
  handed_over_since_ = 0;
  const std::span sockets(listeners, count);
  const bool complete =
      std::all_of(sockets.begin(), sockets.end(), [this](const pollfd& listener) { return watch(listener.fd); });
  if (!complete) timeout = static_cast<int>(pause_after_failure.count());
  if (const int ready_count = set_revents(listeners, count); ready_count > 0) return ready_count;
  std::array<epoll_event, 64> events{};
  const Clock::time_point now = Clock::now();
  drop_late(now);
  const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), time_left(now, timeout));
  if (ready < 0) {
    if (errno != EINTR) std::this_thread::sleep_for(pause_after_failure);
    return 0;
  }
  for (const epoll_event& event : std::span(events).first(static_cast<std::size_t>(ready))) {
    const int fd = event.data.fd;
    if (fd == closing_.get()) {
      std::this_thread::sleep_for(milliseconds(1));  // until the server's own flag is set too
      return 0;
    }
    if (std::find(listeners_.begin(), listeners_.end(), fd) != listeners_.end()) {
      accept_pending(fd);
    } else {
      check_connection(fd);
    }
  }
  drop_late(Clock::now());
  return set_revents(listeners, count);
}

/// Returns the epoll timeout; unlimited when no connection can time out.
int FrontDoor::time_left(Clock::time_point now, int timeout) const {
  if (connections_.empty()) return timeout <= pause_after_failure.count() ? timeout : -1;
  const auto left = std::chrono::ceil<milliseconds>(connections_.front().until - now).count();
  const int own_timeout = static_cast<int>(std::max<std::int64_t>(left, 0));
  return timeout < 0 ? own_timeout : std::min(own_timeout, timeout);
}

void FrontDoor::accept_pending(int listener) {
  // Bounded so that waiting connections are checked too.
  for (int taken = 0; taken < 64; ++taken) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd && is_resource_shortage(errno) && drop_first()) continue;
    if (!fd) {
      // A connection that failed before accept4() concerns no listener. Any other error may recur immediately.
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) std::this_thread::sleep_for(pause_after_failure);
      return;
    }
    const Received received = peek(fd.get());
    if (received == Received::closed) continue;
    if (connections_.size() == max_waiting_ && !drop_first())
      continue;  // dropped: every earlier connection has sent a whole request
    // Edge-triggered epoll reports data that arrived after the check. If epoll_ctl() fails, the server gets the connection
    // unfiltered.
    const bool complete = received == Received::complete || !add_to(epoll_, fd.get(), EPOLLIN | EPOLLRDHUP | EPOLLET);
    const Clock::time_point now = Clock::now();
    connections_.push_back({std::move(fd), listener, complete, now + patience_, now});
  }
}

void FrontDoor::check_connection(int fd) {
  const auto found =
      std::find_if(connections_.begin(), connections_.end(), [fd](const auto& one) { return one.fd.get() == fd; });
  if (found == connections_.end() || found->complete) return;
  const Received received = peek(fd);
  if (received == Received::closed) {
    connections_.erase(found);
  } else {
    found->complete = received == Received::complete;
    found->complete_since = Clock::now();
  }
}

bool FrontDoor::drop_first() {
  const auto first = std::find_if(connections_.begin(), connections_.end(), [](const auto& one) { return !one.complete; });
  if (first == connections_.end()) return false;
  connections_.erase(first);
  return true;
}

/// Checks the data first: a request may have arrived in time while the server had no thread to answer it.
void FrontDoor::drop_late(Clock::time_point now) {
  const auto late = [now](const Connection& one) { return one.until <= now; };
  const auto end = std::find_if_not(connections_.begin(), connections_.end(), late);
  const auto is_lost = [](Connection& one) {
    if (!one.complete && peek(one.fd.get()) == Received::complete) {
      one.complete = true;
      one.complete_since = Clock::now();
    }
    return !one.complete;
  };
  connections_.erase(std::remove_if(connections_.begin(), end, is_lost), end);
}

int FrontDoor::set_revents(pollfd* listeners, nfds_t count) const {
  int result = 0;
  for (pollfd& listener : std::span(listeners, count)) {
    const auto is_for_listener = [&](const Connection& one) { return one.complete && one.listener == listener.fd; };
    const bool any = std::any_of(connections_.begin(), connections_.end(), is_for_listener);
    listener.revents = any ? POLLIN : 0;
    if (any) ++result;
  }
  return result;
}

int FrontDoor::accept(int listener, sockaddr* peer, socklen_t* size) {
  const auto first = std::find_if(connections_.begin(), connections_.end(),
                                  [listener](const auto& one) { return one.complete && one.listener == listener; });
  if (first == connections_.end()) {
    errno = EAGAIN;
    return -1;
  }
  Fd fd = std::move(first->fd);
  const Clock::time_point complete_since = first->complete_since;
  connections_.erase(first);
  if (::getpeername(fd.get(), peer, size) != 0) return -1;            // the client disconnected
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);  // ENOENT if it was never added
  handed_over_since_ = complete_since.time_since_epoch().count();
  return fd.release();
}

bool FrontDoor::is_kept_waiting(Clock::time_point now) const {
  const Clock::rep complete_since = handed_over_since_;
  return complete_since != 0 && now - Clock::time_point(Clock::duration(complete_since)) >= stall_limit_ &&
         stalled_ > answering_ / 4;
}

int FrontDoor::poll_connection(pollfd& connection, int timeout) {
  if (const int ready = ::poll(&connection, 1, 0); ready != 0 || timeout == 0) return ready;
  const std::uint64_t cookie = cookie_of(connection.fd);
  if (cookie == 0) return ::poll(&connection, 1, timeout);
  Clock::time_point now = Clock::now();
  if (awaited.cookie != cookie) awaited = {cookie, now};
  const Clock::time_point end = timeout < 0 ? Clock::time_point::max() : now + milliseconds(timeout);
  std::optional<Counted> stalled;
  while (now < end) {
    if (now - awaited.since >= stall_limit_) {
      if (!stalled) stalled.emplace(stalled_);
      if (is_kept_waiting(now)) {
        // The server then sees a disconnected client in any state.
        (void)::shutdown(connection.fd, SHUT_RDWR);
        return ::poll(&connection, 1, 0);
      }
    }
    // A short step, so that little time is lost once both have waited long enough.
    const auto step = std::min<Clock::duration>(end - now, std::max(stall_limit_ / 8, milliseconds(1)));
    const auto result = ::poll(&connection, 1, static_cast<int>(std::chrono::ceil<milliseconds>(step).count()));
    if (result != 0) return result;
    now = Clock::now();
  }
  return 0;
}

}  // namespace nswarden

extern "C" int nswarden_poll(pollfd* fds, nfds_t count, int timeout) {
  using nswarden::acceptor_door;
  using nswarden::worker_door;
  if (acceptor_door != nullptr) return acceptor_door->poll(fds, count, timeout);
  return worker_door != nullptr && count == 1 ? worker_door->poll_connection(*fds, timeout) : ::poll(fds, count, timeout);
}

extern "C" int nswarden_accept(int listener, sockaddr* peer, socklen_t* size) {
  using nswarden::acceptor_door;
  return acceptor_door == nullptr ? ::accept(listener, peer, size) : acceptor_door->accept(listener, peer, size);
}
