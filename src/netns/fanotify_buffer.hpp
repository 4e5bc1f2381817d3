// SPDX-License-Identifier: Apache-2.0
// FanotifyBuffer takes the bytes that a read of a fanotify fd gave apart, without trusting them: a fuzzer and tests call it without a
// kernel, so it is apart from SysctlWatcher. It closes nothing: the reader gives the fds an owner. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace nswarden {

struct RawFanotifyEvent {
  std::uint64_t mask = 0;
  std::int32_t pid = 0;
  int fd = -1;     ///< below 0: none; where FAN_REPORT_FD_ERROR was asked for, the negative errno of opening the file
  int pidfd = -1;  ///< below 0: none
};

class FanotifyBuffer {
 public:
  explicit FanotifyBuffer(std::span<const char> bytes) : rest_(bytes) {}

  /// The next event; none at the end, and for a rest that is no whole event of the layout that we know.
  std::optional<RawFanotifyEvent> next();
  /// Whether nothing is left: false after the last event when there was a rest that is none.
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::span<const char> rest_;
};

}  // namespace nswarden
