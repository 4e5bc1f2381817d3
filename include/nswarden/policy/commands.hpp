// SPDX-License-Identifier: Apache-2.0
// The commands of a policy, as its author wrote them. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nswarden {

/// Longest command in bytes; the kernel takes 128 KiB as one argument.
inline constexpr std::size_t max_command_size = std::size_t{64} << 10;

/// Which capabilities(7) commands run with. They run as the daemon's user either way.
enum class CommandCapabilities : std::uint8_t {
  none,    ///< none at all, and no way to gain any
  daemon,  ///< those that the daemon has
};

/// As the configuration has it.
constexpr std::string_view to_string(CommandCapabilities capabilities) {
  return capabilities == CommandCapabilities::daemon ? "daemon" : "none";
}

struct PolicyCommands {
  struct OnEvent {
    std::string event;       ///< as in inotify_events.hpp
    std::uint32_t bits = 0;  ///< any event that carries one of them
    std::vector<std::string> commands;
  };
  CommandCapabilities capabilities = CommandCapabilities::none;
  std::vector<std::string> startup;  ///< for each netns that is there when the daemon starts
  std::vector<OnEvent> events;       ///< in file order; a name may come twice

  [[nodiscard]] bool empty() const { return startup.empty() && events.empty(); }
};

}  // namespace nswarden
