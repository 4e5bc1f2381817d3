// SPDX-License-Identifier: Apache-2.0
// Policies from fields: those of the native form, and the rules of the older one, netns-events YAML. Every problem goes to the list
// given. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/config/yaml_fields.hpp>

namespace nswarden {

/// `name` is how messages call it, `mode` that of a policy that does not say.
PolicyConfig read_policy(const YamlNode& node, std::string name, Mode mode, std::vector<Problem>& problems);

/// For policies that have all their keys: why its `interfaces:` has no use. `name` is how the message calls it.
std::optional<Problem> interfaces_problem(const PolicyConfig& policy, std::string_view name);

/// A list of `{netns_regex, daemon_startup_actions: [COMMAND...], inotify_actions: [{NAME: [COMMAND...]}...]}`, as policies
/// named rule-1, rule-2 ... that want no sysctls, and whose commands have the daemon's capabilities.
std::vector<PolicyConfig> read_older_form(const YamlNode& root, std::vector<Problem>& problems);

}  // namespace nswarden
