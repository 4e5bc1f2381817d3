// SPDX-License-Identifier: Apache-2.0
// Poller waits for many fds at once: a thin owner of an epoll, level-triggered; loop thread only. Waker is an eventfd by which other
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

  /// POLLIN, POLLPRI, ... for `events`; `token` comes back with each report. An fd that is there already stays as it is, and
  /// loses nothing that waits. It leaves when it is closed.
  Result<void> add(int fd, std::uint32_t events, std::uint64_t token);
  /// Not polled any more, until it is added again. Never for the mount table: that takes away what waits.
  void remove(int fd);

  struct Ready {
    std::uint64_t token = 0;
    std::uint32_t events = 0;
  };
  static constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();
  /// What is ready, valid until the next call: nothing after `timeout`, or when a signal handler ran. A negative timeout is 0.
  std::span<const Ready> wait(std::chrono::nanoseconds timeout);

 private:
  Fd epoll_;
  std::array<Ready, 16> ready_;
};

/// Wakes a Poller from another thread. wake() may be called from any thread and from a signal handler; the rest from the loop.
class Waker {
 public:
  /// Throws std::system_error.
  Waker();
  /// To be polled for POLLIN.
  [[nodiscard]] int fd() const { return fd_.get(); }
  void wake() const;
  /// True when there was any wake() since the last call.
  [[nodiscard]] bool read() const;

 private:
  Fd fd_;
};

}  // namespace nswarden
