// SPDX-License-Identifier: Apache-2.0
// Wakes the loop from another thread. wake() may be called from any thread and from a signal handler; the rest from the loop.
#pragma once

#include <nswarden/os/fd.hpp>

namespace nswarden {

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
