// SPDX-License-Identifier: Apache-2.0
// Recognizes shell commands of the older form that only set sysctls in the netns $NETNS. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nswarden {

/// One argument of sysctl(8): `KEY=VALUE`, trimmed.
struct SysctlAssignment {
  std::string key;
  std::string value;
  bool optional = false;  ///< -e: an absent key is ignored

  friend bool operator==(const SysctlAssignment&, const SysctlAssignment&) = default;
};
/// An argument of `sysctl -p`.
struct SysctlFile {
  std::string path;

  friend bool operator==(const SysctlFile&, const SysctlFile&) = default;
};
using SysctlStep = std::variant<SysctlAssignment, SysctlFile>;

/// The steps of `ip netns exec $NETNS sysctl [-w] KEY=VALUE...`, `... sysctl -p FILE...` and chains of these with `;` and `&&`,
/// in order. Empty optional for every other command: expansions, redirections and other programs.
std::optional<std::vector<SysctlStep>> read_sysctl_command(std::string_view command);

}  // namespace nswarden
