// SPDX-License-Identifier: Apache-2.0
// A policy of the native form. Every problem goes to the list given. Pure, any thread.
#pragma once

#include <string>
#include <vector>

#include "config/yaml_fields.hpp"

namespace nswarden {

/// `name` is how messages call it, `mode` that of a policy that does not say.
PolicyConfig read_policy(const YamlNode& node, std::string name, Mode mode, std::vector<Problem>& problems);

/// For policies that have all their keys: why its `interfaces:` has no use. `name` is how the message calls it.
std::optional<Problem> interfaces_problem(const PolicyConfig& policy, std::string_view name);

}  // namespace nswarden
