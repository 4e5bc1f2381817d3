// SPDX-License-Identifier: Apache-2.0
// The part of the configuration that is about commands: the field `commands` of the native form, and the whole of the older
// form, netns-events YAML. Every problem goes to the list given. Pure, any thread.
#pragma once

#include <string_view>
#include <vector>

#include "config/yaml_fields.hpp"

namespace nswarden {

/// `{capabilities: none|daemon, startup: [COMMAND...], events: {NAME: [COMMAND...]}}`. `path` is how messages call it.
PolicyCommands read_commands(const YamlNode& node, std::string_view path, std::vector<Problem>& problems);

/// A list of `{netns_regex, daemon_startup_actions: [COMMAND...], inotify_actions: [{NAME: [COMMAND...]}...]}`, as policies
/// named rule-1, rule-2 ... that want no sysctls, and whose commands have the daemon's capabilities.
std::vector<PolicyConfig> read_older_form(const YamlNode& root, std::vector<Problem>& problems);

}  // namespace nswarden
