// SPDX-License-Identifier: Apache-2.0
// Converts the older form to a native file. Commands that only set sysctls become settings, other commands stay, and comments
// describe the conversion of each rule. Pure, any thread.
#pragma once

#include <string>

#include <nswarden/config/config.hpp>

namespace nswarden {

/// Returns native YAML that parse_config() accepts; deterministic. Prints a native configuration as it is.
///
/// Converts `ip netns exec $NETNS sysctl` with KEY=VALUE or with -p and absolute paths, and chains of these, at start and for
/// IN_CREATE. A setting applies in both cases and from then on. Rules become policies in the same order, so the later one still
/// wins.
std::string convert_config(const Config& config);

}  // namespace nswarden
