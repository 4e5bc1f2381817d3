// SPDX-License-Identifier: Apache-2.0
// Event names of inotify(7), which commands are bound to. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace nswarden {

struct InotifyEvent {
  std::string_view name;
  std::uint32_t bits = 0;  ///< part of the kernel's ABI; several for a name such as IN_MOVE that matches any of them
  std::string_view meaning;
};

/// Every name that a configuration may use, in the order of inotify(7).
std::span<const InotifyEvent> inotify_events();

/// Empty optional for an unknown name.
std::optional<std::uint32_t> inotify_bits(std::string_view name);

/// The event names in `mask`, such as {"IN_CREATE"}: one per bit, without flags such as IN_ISDIR.
std::vector<std::string_view> inotify_event_names(std::uint32_t mask);

/// Events that inotify_add_watch() accepts in its mask. The kernel reports other bits unrequested, or never.
inline constexpr std::uint32_t inotify_requestable = 0xfff;

}  // namespace nswarden
