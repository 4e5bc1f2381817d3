// SPDX-License-Identifier: Apache-2.0
// The event names of inotify(7), which commands are bound to. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace nswarden {

struct InotifyEvent {
  std::string_view name;
  std::uint32_t bits = 0;  ///< a part of the kernel's ABI; several for a name such as IN_MOVE that stands for any of some
  std::string_view meaning;
};

/// Every name that a configuration may use, in the order in which inotify(7) has them.
std::span<const InotifyEvent> inotify_events();

/// None for a name that is not known.
std::optional<std::uint32_t> inotify_bits(std::string_view name);

/// The names of what happened according to `mask`, such as {"IN_CREATE"}: one for each bit, without flags such as IN_ISDIR.
std::vector<std::string_view> inotify_event_names(std::uint32_t mask);

/// What inotify_add_watch can be asked to report; the other bits come unasked, or never.
inline constexpr std::uint32_t inotify_can_be_asked = 0xfff;

}  // namespace nswarden
