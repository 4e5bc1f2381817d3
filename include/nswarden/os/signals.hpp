// SPDX-License-Identifier: Apache-2.0
// Signals turns SIGTERM, SIGINT, SIGHUP and SIGPIPE into a pollable fd. Created before any thread so that all threads inherit
// the mask; children must reset it (kernel fact 36). The mask outlives the object, so that a second SIGTERM cannot interrupt an
// orderly shutdown.
#pragma once

#include <signal.h>

#include <optional>

#include <nswarden/os/fd.hpp>

namespace nswarden {

class Signals {
 public:
  /// Throws std::system_error.
  Signals();
  /// Poll for POLLIN.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The next pending signal, without blocking. Drops SIGPIPE, because the write already returned EPIPE.
  std::optional<int> read();

 private:
  Fd fd_;
};

/// Blocks all signals in the calling thread while it lives, and permanently in threads started meanwhile.
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
