// SPDX-License-Identifier: Apache-2.0
// SIGTERM, SIGINT, SIGHUP and SIGPIPE as something to poll. Made before any thread, so that all inherit the mask; children
// must reset it (kernel fact 36). The mask stays when this goes, so that a second SIGTERM cannot spoil an orderly end.
#pragma once

#include <optional>

#include <nswarden/os/fd.hpp>

namespace nswarden::os {

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

}  // namespace nswarden::os
