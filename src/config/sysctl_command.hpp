// SPDX-License-Identifier: Apache-2.0
// Shell commands of the older form that do nothing but set sysctls in the netns $NETNS. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nswarden {

/// One argument of sysctl(8): `KEY=VALUE`, with what stands around both removed.
struct SysctlAssignment {
  std::string key;
  std::string value;
  bool optional = false;  ///< -e: a key that is not there is no error

  friend bool operator==(const SysctlAssignment&, const SysctlAssignment&) = default;
};
/// An argument of `sysctl -p`.
struct SysctlFile {
  std::string path;

  friend bool operator==(const SysctlFile&, const SysctlFile&) = default;
};
using SysctlStep = std::variant<SysctlAssignment, SysctlFile>;

/// What `ip netns exec $NETNS sysctl [-w] KEY=VALUE...`, `... sysctl -p FILE...` and chains of these with `;` and `&&` do, in
/// order. None for all else: whatever a shell would expand, redirect or run besides.
std::optional<std::vector<SysctlStep>> read_sysctl_command(std::string_view command);

}  // namespace nswarden
