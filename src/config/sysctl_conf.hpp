// SPDX-License-Identifier: Apache-2.0
// Parses sysctl.d(5) files: `key = value` lines, `#` and `;` comments, globs, a leading `-` for optional keys, and keys without
// a value to exclude them from globs. Refuses the same keys and values as YAML, and text that may be incomplete. Pure, any
// thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

struct SysctlConf {
  std::vector<Setting> settings;  ///< in file order; keys are unique
  std::vector<KeyPattern> exclusions;
  std::vector<Problem> problems;  ///< in order of position; a file with a problem must not be used
};

/// Longest line in bytes; a value has 4096 at most.
inline constexpr std::size_t max_sysctl_line = 8192;

/// `policy` is the policy that gets the keys; its sysctls are ignored. `file` is the file index of all positions.
SysctlConf parse_sysctl_conf(std::string_view text, const PolicyConfig& policy, std::uint16_t file = 0);

}  // namespace nswarden
