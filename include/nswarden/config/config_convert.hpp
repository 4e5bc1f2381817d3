// SPDX-License-Identifier: Apache-2.0
// The older form as a file of the native one: commands that only set sysctls become settings, others stay, and comments say
// what was done with each rule. Pure, any thread.
#pragma once

#include <string>

#include <nswarden/config/config.hpp>

namespace nswarden {

/// YAML of the native form, which parse_config() takes; the same for the same configuration. One of the native form is printed.
///
/// What is converted: `ip netns exec $NETNS sysctl` with KEY=VALUE or with -p and absolute paths, and chains of these, at start
/// and for IN_CREATE; a setting holds in both, and from then on. Rules become policies in the same order, so that the later one
/// still wins.
std::string convert_config(const Config& config);

}  // namespace nswarden
