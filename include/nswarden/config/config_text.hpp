// SPDX-License-Identifier: Apache-2.0
// Prints a Config as native YAML that parse_config() reads back as the same configuration, and lists the differences of two
// configurations. Pure, any thread.
#pragma once

#include <cstddef>
#include <string>

#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// Prints policies and settings from other files inline, as if they were the file's own, next to the names of these files.
/// Rules of the older form become native policies.
std::string print_config(const Config& config);

/// A policy as an entry of the list `policies`, in whole lines. The mode is omitted when it is enforce, the default.
std::string policy_text(const PolicyConfig& policy);

/// Whether both are equal, ignoring positions.
bool same_config(const Config& a, const Config& b);

/// "policy a; 2 settings of policy b (net.x.y, net.x.z); commands of policy c": one line that names the first `max_items` items
/// and counts the rest. Empty when nothing was dropped. A changed value does not count as dropped.
std::string dropped_by(const Config& before, const Config& after, std::size_t max_items = 8);

}  // namespace nswarden
