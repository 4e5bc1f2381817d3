// SPDX-License-Identifier: Apache-2.0
// FrontDoor holds TCP connections until their request is readable, so that any number of idle or slow clients occupies no
// thread of an HTTP server. A fixed number of connections may wait, each for a fixed time. It replaces poll(2) and accept(2)
// in the server's accepting thread, which receives a connection once a whole request head, or the whole first TLS record, is
// readable. FrontDoor consumes no data and sends none. After construction it neither allocates nor throws. In answering
// threads, it limits the wait for one client while other clients are kept waiting.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <vector>

#include <nswarden/os/fd.hpp>

namespace nswarden {

/// Whether the bytes that a client has sent so far give the server work: an HTTP request head to its empty line, the first
/// TLS record, or too much data for either.
bool is_complete_request(std::string_view sent);

class FrontDoor {
 public:
  /// A request must arrive within `patience` of its connection. Beyond `max_waiting` connections, the oldest is dropped.
  /// Throws std::system_error.
  FrontDoor(std::chrono::milliseconds patience, std::size_t max_waiting);
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  /// Routes the calling thread's nswarden_poll() and nswarden_accept() through this object.
  void attach_acceptor();
  /// Routes the nswarden_poll() of the calling thread, an answering one, through this object. The call ends a connection that
  /// it has waited for longer than 1/32 of the patience if another connection has waited that long for a thread and a quarter
  /// of the answering threads wait in the same way.
  void attach_worker();
  /// Makes poll() return from now on. Called by the thread that stops the server.
  void close();

  /// poll(2) for listening sockets. Exceeds a `timeout` of more than 10 ms when no connection can time out.
  int poll(pollfd* listeners, nfds_t count, int timeout);
  /// accept(2) for one of them. Until the next poll(), no server thread is free to answer the connection.
  int accept(int listener, sockaddr* peer, socklen_t* size);
  /// poll(2) for one connection, called by an answering thread.
  int poll_connection(pollfd& connection, int timeout);

  [[nodiscard]] std::size_t waiting() const { return connections_.size(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    Fd fd;
    int listener = -1;
    bool complete = false;
    Clock::time_point until;
    Clock::time_point complete_since;  // when the request was complete
  };

  bool watch(int listener);
  void accept_pending(int listener);
  void check_connection(int fd);
  bool drop_first();
  void drop_late(Clock::time_point now);
  int set_revents(pollfd* listeners, nfds_t count) const;
  [[nodiscard]] int time_left(Clock::time_point now, int timeout) const;
  [[nodiscard]] bool is_kept_waiting(Clock::time_point now) const;

  std::chrono::milliseconds patience_;
  std::chrono::milliseconds stall_limit_;
  std::size_t max_waiting_;
  Fd epoll_;
  Fd closing_;
  std::vector<int> listeners_;
  std::vector<Connection> connections_;  // in order of arrival; never exceeds its capacity
  // Shared with the answering threads: the request time of the connection that the accepting thread is handing over, nonzero
  // while all threads are busy.
  std::atomic<Clock::rep> handed_over_since_{0};
  std::atomic<int> answering_{0};
  std::atomic<int> stalled_{0};
};

}  // namespace nswarden

// CivetWeb is compiled to call these instead of poll(2) and accept(2). In threads without a FrontDoor they call through.
extern "C" int nswarden_poll(pollfd* fds, nfds_t count, int timeout);
extern "C" int nswarden_accept(int listener, sockaddr* peer, socklen_t* size);
