// SPDX-License-Identifier: Apache-2.0
// What a new configuration no longer asks for: a file that was cut short at the end of a line is valid, and wants less. Pure.
#pragma once

#include <cstddef>
#include <string>

#include <nswarden/config/config.hpp>

namespace nswarden {

/// "policy a; 2 settings of policy b (net.x.y, net.x.z); commands of policy c": one line, of which the first `most` things are
/// named and the others counted. Empty when nothing was dropped. What changed only its value is not dropped.
std::string dropped_by(const Config& before, const Config& after, std::size_t most = 8);

}  // namespace nswarden
