// SPDX-License-Identifier: Apache-2.0
// Signals makes SIGTERM, SIGINT, SIGHUP and SIGPIPE an fd to poll. Made before any thread, so that all inherit the mask; children
// must reset it (kernel fact 36). The mask stays when this goes, so that a second SIGTERM cannot spoil an orderly end.
#pragma once

#include <signal.h>

#include <optional>

#include <nswarden/os/fd.hpp>

namespace nswarden {

class Signals {
 public:
  /// Throws std::system_error.
  Signals();
  /// To be polled for POLLIN.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The next signal that waits, without blocking; SIGPIPE is dropped, as the write says EPIPE.
  std::optional<int> read();

 private:
  Fd fd_;
};

/// While it lives, its thread takes no signals, and neither do threads started by it, ever.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace nswarden
