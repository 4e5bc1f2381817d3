// SPDX-License-Identifier: Apache-2.0
// Reads policies from YAML fields: native policies, and rules of the older form (netns-events). Appends every problem to the
// given list. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/config/yaml_fields.hpp>

namespace nswarden {

/// `name` names it in messages; `mode` is the default.
PolicyConfig read_policy(const YamlNode& node, std::string name, Mode mode, std::vector<Problem>& problems);

/// For policies with all their keys: why `interfaces:` has no effect. `name` names it in the message.
std::optional<Problem> interfaces_problem(const PolicyConfig& policy, std::string_view name);

/// Reads a list of `{netns_regex, daemon_startup_actions: [COMMAND...], inotify_actions: [{NAME: [COMMAND...]}...]}` into
/// policies named rule-1, rule-2 and so on, without sysctls; their commands have the daemon's capabilities.
std::vector<PolicyConfig> read_older_form(const YamlNode& root, std::vector<Problem>& problems);

}  // namespace nswarden
