// SPDX-License-Identifier: Apache-2.0
// FanotifyBuffer parses the bytes read from a fanotify fd without trusting them. It is separate from SysctlWatcher so that a
// fuzzer and tests can call it without a kernel. It closes no fds: the reader takes ownership of them. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace nswarden {

struct RawFanotifyEvent {
  std::uint64_t mask = 0;
  std::int32_t pid = 0;
  int fd = -1;     ///< negative: no fd; with FAN_REPORT_FD_ERROR, the negative errno of opening the file
  int pidfd = -1;  ///< negative: no pidfd
};

class FanotifyBuffer {
 public:
  explicit FanotifyBuffer(std::span<const char> bytes) : rest_(bytes) {}

  /// The next event; nullopt at the end and for an incomplete event or an unknown layout.
  std::optional<RawFanotifyEvent> next();
  /// Whether all bytes were parsed; false if next() stopped at an invalid remainder.
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::span<const char> rest_;
};

}  // namespace nswarden
