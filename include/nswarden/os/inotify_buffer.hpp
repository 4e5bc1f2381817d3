// SPDX-License-Identifier: Apache-2.0
// What a read of an inotify fd gave, taken apart without trusting it. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace nswarden {

struct RawInotifyEvent {
  int wd = -1;  ///< -1 for IN_Q_OVERFLOW
  std::uint32_t mask = 0;
  std::string_view name;  ///< bytes, empty when the event is about what is watched itself; valid as long as the buffer
};

class InotifyBuffer {
 public:
  explicit InotifyBuffer(std::span<const char> bytes) : rest_(bytes) {}

  /// The next event; none at the end, and for a rest that is no whole event.
  std::optional<RawInotifyEvent> next();

 private:
  std::span<const char> rest_;
};

}  // namespace nswarden
