// SPDX-License-Identifier: Apache-2.0
// A configuration as text: YAML of the native form that parse_config() reads as the same configuration. Pure, any thread.
#pragma once

#include <string>

#include <nswarden/config/config.hpp>

namespace nswarden {

/// Policies and settings that load_config() took from other files stand in it as if they were the file's own, beside the names
/// of these files. Rules of the older form become policies of the native one.
std::string print_config(const Config& config);

/// Whether both say the same, wherever in a file they say it.
bool same_config(const Config& a, const Config& b);

}  // namespace nswarden
