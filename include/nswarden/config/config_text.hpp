// SPDX-License-Identifier: Apache-2.0
// A Config as text: YAML of the native form that parse_config() reads as the same configuration, and in which of their words two
// configurations differ. Pure, any thread.
#pragma once

#include <cstddef>
#include <string>

#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// Policies and settings that load_config() took from other files stand in it as if they were the file's own, beside the names
/// of these files. Rules of the older form become policies of the native one.
std::string print_config(const Config& config);

/// A policy as an entry of the list `policies`: whole lines. A mode stands there only when it is not enforce, as a file without
/// `mode:` means.
std::string policy_text(const PolicyConfig& policy);

/// Whether both say the same, wherever in a file they say it.
bool same_config(const Config& a, const Config& b);

/// "policy a; 2 settings of policy b (net.x.y, net.x.z); commands of policy c": one line, of which the first `most` things are
/// named and the others counted. Empty when nothing was dropped. What changed only its value is not dropped.
std::string dropped_by(const Config& before, const Config& after, std::size_t most = 8);

}  // namespace nswarden
