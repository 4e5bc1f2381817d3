// SPDX-License-Identifier: Apache-2.0
// InotifyBuffer parses the bytes read from an inotify fd without trusting them. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace nswarden {

struct RawInotifyEvent {
  int wd = -1;  ///< -1 for IN_Q_OVERFLOW
  std::uint32_t mask = 0;
  std::string_view name;  ///< bytes, empty for an event of the watched file or directory itself; valid as long as the buffer
};

class InotifyBuffer {
 public:
  explicit InotifyBuffer(std::span<const char> bytes) : rest_(bytes) {}

  /// The next event; nullopt at the end and for an incomplete event.
  std::optional<RawInotifyEvent> next();

 private:
  std::span<const char> rest_;
};

}  // namespace nswarden
