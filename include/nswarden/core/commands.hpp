// SPDX-License-Identifier: Apache-2.0
// The commands of a policy, as its author wrote them. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nswarden::core {

/// Longest command in bytes; the kernel takes 128 KiB as one argument.
inline constexpr std::size_t max_command_size = std::size_t{64} << 10;

struct PolicyCommands {
  struct OnEvent {
    std::string event;       ///< as in inotify_events.hpp
    std::uint32_t bits = 0;  ///< any event that carries one of them
    std::vector<std::string> commands;
  };
  std::vector<std::string> startup;  ///< for each netns that is there when the daemon starts
  std::vector<OnEvent> events;       ///< in file order; a name may come twice

  [[nodiscard]] bool empty() const { return startup.empty() && events.empty(); }
};

}  // namespace nswarden::core
