// SPDX-License-Identifier: Apache-2.0
// Files of sysctl.d(5): `key = value` lines, `#` and `;` comments, globs, a leading `-` for what is optional, and without a
// value for what globs leave alone. Refused is what YAML refuses too, and what cannot be a whole text. Pure, any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

struct SysctlConf {
  std::vector<Setting> settings;  ///< in file order, no key twice
  std::vector<KeyPattern> exclusions;
  std::vector<Problem> problems;  ///< in the order of their positions; nothing is to be taken from a file that has one
};

/// Longest line in bytes; a value has 4096 at most.
inline constexpr std::size_t max_sysctl_line = 8192;

/// `policy` is whose keys they are to be; its sysctls do not count. `file` is that of all positions.
SysctlConf parse_sysctl_conf(std::string_view text, const PolicyConfig& policy, std::uint16_t file = 0);

}  // namespace nswarden
