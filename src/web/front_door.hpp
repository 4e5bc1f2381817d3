// SPDX-License-Identifier: Apache-2.0
// Where TCP connections wait until they have said what they want, so that clients which are idle or slow take up no thread of an HTTP
// server, whatever their number: a fixed number of them may wait, each for a fixed time. It stands in for poll(2) and accept(2) in
// the one thread of the server that accepts: to that thread a connection comes when a whole request head, or the whole first
// record of TLS, is there to be read. It reads nothing away and sends nothing. After its making it allocates nothing, and throws nothing.
// Behind it, the threads that answer wait for one client only as long as that keeps nobody else out.
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

/// Whether a server has something to do with what a client has sent so far: the head of an HTTP request to its empty line, the first
/// record of TLS, or too much for either.
bool is_whole_request(std::string_view sent);

class FrontDoor {
 public:
  /// What is asked for must come within `patience` of the connection. With `most_waiting` of them the one that came first gives way.
  /// Throws std::system_error.
  FrontDoor(std::chrono::milliseconds patience, std::size_t most_waiting);
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  /// From now on nswarden_poll() and nswarden_accept() of the calling thread go through this door.
  void serve_this_thread();
  /// From now on nswarden_poll() of the calling thread, one of those that answer, ends a connection that it has waited for for a
  /// 32nd of the patience, when somebody else has waited for a thread for that long and a quarter of them are waiting like this.
  void serve_behind();
  /// Lets poll() return, from now on; to be called by another thread that ends the server.
  void close();

  /// As poll(2) on sockets that listen. Waits longer than a `timeout` of more than 10 ms when there is nothing to time out.
  int poll(pollfd* listeners, nfds_t count, int timeout);
  /// As accept(2) on one of them. Until poll() is called again, the server has no thread to answer it.
  int accept(int listener, sockaddr* peer, socklen_t* size);
  /// As poll(2) on one connection, of a thread that answers.
  int poll_behind(pollfd& connection, int timeout);

  [[nodiscard]] std::size_t waiting() const { return connections_.size(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    Fd fd;
    int listener = -1;
    bool whole = false;
    Clock::time_point until;
    Clock::time_point asked;  // when it was whole
  };

  bool watch(int listener);
  void let_in(int listener);
  void look(int fd);
  bool drop_first();
  void drop_late(Clock::time_point now);
  int tell(pollfd* listeners, nfds_t count) const;
  [[nodiscard]] int patience_left(Clock::time_point now, int timeout) const;
  [[nodiscard]] bool is_kept_waiting(Clock::time_point now) const;

  std::chrono::milliseconds patience_;
  std::chrono::milliseconds hurry_;
  std::size_t most_;
  Fd epoll_;
  Fd closing_;
  std::vector<int> listeners_;
  std::vector<Connection> connections_;  // in the order in which they came; never more than its capacity
  // Of and for the threads that answer. When the connection asked that the server has not come back from: while all are busy.
  std::atomic<Clock::rep> asked_{0};
  std::atomic<int> answering_{0};
  std::atomic<int> stalled_{0};
};

}  // namespace nswarden

// What the server is compiled to call in place of poll(2) and accept(2). In a thread without a door they are these.
extern "C" int nswarden_poll(pollfd* fds, nfds_t count, int timeout);
extern "C" int nswarden_accept(int listener, sockaddr* peer, socklen_t* size);
