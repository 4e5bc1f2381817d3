// SPDX-License-Identifier: Apache-2.0
// Poller waits for many fds: a thin owner of a level-triggered epoll, loop thread only. Waker is an eventfd with which other
// threads wake it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

class Poller {
 public:
  /// Throws std::system_error.
  Poller();

  /// `events` is POLLIN, POLLPRI, ...; each report carries `token`. An fd that was added before is unchanged and loses no
  /// pending event. Closing an fd removes it.
  Result<void> add(int fd, std::uint32_t events, std::uint64_t token);
  /// Stops polling until the fd is added again. Never call it for the mount table: that consumes the pending event.
  void remove(int fd);

  struct Ready {
    std::uint64_t token = 0;
    std::uint32_t events = 0;
  };
  static constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();
  /// Returns the ready fds, valid until the next call; empty after `timeout` or when a signal handler ran. A negative timeout
  /// is 0.
  std::span<const Ready> wait(std::chrono::nanoseconds timeout);

 private:
  Fd epoll_;
  std::array<Ready, 16> ready_;
};

/// Wakes a Poller from another thread. Any thread and a signal handler may call wake(); only the loop calls the rest.
class Waker {
 public:
  /// Throws std::system_error.
  Waker();
  /// Poll for POLLIN.
  [[nodiscard]] int fd() const { return fd_.get(); }
  void wake() const;
  /// True if wake() was called since the last call.
  [[nodiscard]] bool read() const;

 private:
  Fd fd_;
};

}  // namespace nswarden
