// SPDX-License-Identifier: Apache-2.0
#include "config/config_policy.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config_schema.hpp>
#include <nswarden/policy/inotify_events.hpp>
#include "config/config_sysctls.hpp"

namespace nswarden {
namespace {

using Kind = YamlNode::Kind;
using Problems = std::vector<Problem>;

/// The name is a label of every series.
constexpr std::size_t longest_policy_name = 128;

/// Empty after a problem.
std::string read_name(const YamlFields& policy) {
  const YamlNode* node = policy.require("name", "add one for metrics and logs");
  const std::string path = policy.path("name");
  if (node == nullptr || !is_kind(*node, Kind::scalar, path, policy.problems())) return {};
  const auto refuse = [&](std::string message) {
    policy.problems().push_back({node->position, path + std::move(message)});
    return std::string{};
  };
  if (node->text.empty()) return refuse(" is empty; write a name for metrics and logs");
  if (node->text.size() > longest_policy_name) return refuse(fmt::format(" is longer than {} bytes", longest_policy_name));
  if (printable(node->text) != node->text) {
    return refuse(fmt::format(": invalid name \"{}\": it contains a backslash or unprintable characters; remove them",
                              excerpt(node->text)));
  }
  return node->text;
}

/// Reads the names that the policy matches.
PolicyConfig with_names(PolicyConfig policy, const YamlFields& fields) {
  policy.host = read_boolean(fields, "host");
  const YamlNode* host = fields.find("host");
  if (host == nullptr || host->text == "false") {
    fields.require("netns", "write a regular expression for netns names, such as ^qrouter-, or host: true");
  }
  policy.netns = read_patterns(fields, "netns");
  policy.exclude = read_patterns(fields, "exclude");
  policy.processes = read_choice<bool>(fields, "discover", {{"processes", true}}, "value", "processes").value_or(false);
  if (policy.processes && policy.host && fields.find("netns") == nullptr) {
    fields.require("netns", "discover: requires a regular expression for names such as net:[4026532288]");
  }
  return policy;
}

std::vector<std::string> read_command_list(const YamlNode& list, const std::string& path, Problems& problems) {
  if (!is_kind(list, Kind::list, path, problems)) return {};
  std::vector<std::string> commands;
  for (std::size_t i = 0; i < list.children.size(); ++i) {
    const YamlNode& node = list.children[i];
    const std::string name = fmt::format("{}[{}]", path, i);
    if (!is_kind(node, Kind::scalar, name, problems)) continue;
    if (node.text.find_first_not_of(" \t\n") == std::string::npos) {
      problems.push_back({node.position, fmt::format("{} is empty; write a shell command, or remove it", name)});
    } else if (node.text.find('\0') != std::string::npos) {
      problems.push_back({node.position, fmt::format("{} contains a NUL byte, where the shell would stop; remove it", name)});
    } else if (node.text.size() > max_command_size) {
      problems.push_back({node.position, fmt::format("{} is longer than 64 KiB; move it to a script", name)});
    } else {
      commands.push_back(node.text);
    }
  }
  return commands;
}

void read_events(const YamlNode& mapping, const std::string& path, PolicyCommands& into, Problems& problems) {
  if (!is_kind(mapping, Kind::mapping, path, problems)) return;
  for (const YamlNode& entry : mapping.children) {
    const auto bits = inotify_bits(entry.key);
    std::vector<std::string> commands = read_command_list(entry, fmt::format("{}.{}", path, excerpt(entry.key)), problems);
    if (bits) {
      into.events.push_back({entry.key, *bits, std::move(commands)});
      continue;
    }
    std::vector<std::string_view> known;
    for (const InotifyEvent& event : inotify_events()) known.push_back(event.name);
    const auto suggestion = nearest(entry.key, known);
    problems.push_back({entry.key_position, fmt::format("{}: unknown event \"{}\"; {}", path, excerpt(entry.key),
                                                        suggestion ? fmt::format("did you mean \"{}\"?", *suggestion)
                                                                   : "nswarden config events lists the known events")});
  }
}

/// `{capabilities: none|daemon, startup: [COMMAND...], events: {NAME: [COMMAND...]}}`. `path` names it in messages.
PolicyCommands read_commands(const YamlNode& node, std::string_view path, Problems& problems) {
  PolicyCommands commands;
  if (!is_kind(node, Kind::mapping, path, problems)) return commands;
  const YamlFields fields(node, std::string(path), command_fields, problems);
  commands.capabilities =
      read_choice<CommandCapabilities>(fields, "capabilities",
                                       {{"none", CommandCapabilities::none}, {"daemon", CommandCapabilities::daemon}}, "value",
                                       "none or daemon")
          .value_or(CommandCapabilities::none);
  if (const YamlNode* startup = fields.find("startup")) {
    commands.startup = read_command_list(*startup, fields.path("startup"), problems);
  }
  if (const YamlNode* events = fields.find("events")) read_events(*events, fields.path("events"), commands, problems);
  return commands;
}

bool has_any(const YamlFields& fields, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return fields.find(name) != nullptr; });
}

PolicyConfig read_rule(const YamlNode& node, std::size_t index, Problems& problems) {
  const YamlFields fields(node, fmt::format("rule {}", index + 1), rule_fields, problems);
  PolicyConfig rule;
  rule.name = fmt::format("rule-{}", index + 1);
  rule.position = node.position;
  // Commands of the older form set sysctls in other netns.
  rule.commands.capabilities = CommandCapabilities::daemon;
  const YamlNode* pattern = fields.require("netns_regex", "write a regular expression for netns names, such as ^qrouter-");
  if (pattern != nullptr) {
    auto compiled = read_pattern(*pattern, fields.path("netns_regex"), problems);
    if (compiled) rule.netns.push_back(*std::move(compiled));
  }
  if (const YamlNode* list = fields.require("daemon_startup_actions", "write daemon_startup_actions: [] for none")) {
    rule.commands.startup = read_command_list(*list, fields.path("daemon_startup_actions"), problems);
  }
  const YamlNode* list = fields.require("inotify_actions", "write inotify_actions: [] for none");
  const std::string path = fields.path("inotify_actions");
  if (list == nullptr || !is_kind(*list, Kind::list, path, problems)) return rule;
  for (std::size_t i = 0; i < list->children.size(); ++i) {
    read_events(list->children[i], fmt::format("{}[{}]", path, i), rule.commands, problems);
  }
  return rule;
}

}  // namespace

PolicyConfig read_policy(const YamlNode& node, std::string name, Mode mode, Problems& problems) {
  const std::size_t problems_before = problems.size();
  const YamlFields fields(node, std::move(name), policy_fields, problems);
  PolicyConfig policy;
  policy.position = node.position;
  policy.name = read_name(fields);
  policy = with_names(std::move(policy), fields);
  policy.mode = read_mode(fields).value_or(mode);
  policy.allow_global = read_boolean(fields, "allow_global");
  policy.restore = read_boolean(fields, "restore");
  policy.interfaces = read_patterns(fields, "interfaces");
  if (const YamlNode* interfaces = fields.find("interfaces")) policy.interfaces_position = interfaces->key_position;
  policy.sysctl_files = read_paths(fields, "sysctl_files");
  policy.observe = read_observations(fields);
  policy = with_sysctls(std::move(policy), fields);
  if (const YamlNode* commands = fields.find("commands")) {
    policy.commands = read_commands(*commands, fields.path("commands"), problems);
  }
  if (!has_any(fields, {"sysctls", "sysctl_files", "observe", "commands"})) {
    fields.require("sysctls",
                   "write sysctls: with a mapping of keys to values, or sysctl_files:, observe: or commands:, or "
                   "remove the policy");
  }
  if (policy.sysctl_files.empty() && problems.size() == problems_before) {
    if (auto problem = interfaces_problem(policy, fields.name())) problems.push_back(*std::move(problem));
  }
  return policy;
}

std::optional<Problem> interfaces_problem(const PolicyConfig& policy, std::string_view name) {
  const auto is_glob = [](const auto& named) { return named.key.globs_interfaces(); };
  const bool takes_interfaces = std::any_of(policy.sysctls.begin(), policy.sysctls.end(), is_glob) ||
                                std::any_of(policy.observe.begin(), policy.observe.end(), is_glob);
  if (policy.interfaces.empty() || takes_interfaces) return std::nullopt;
  return Problem{policy.interfaces_position,
                 fmt::format("{}.interfaces has no effect: no key of the policy has a glob for interfaces, such as "
                             "net.ipv4.conf.*.rp_filter; add one, or remove interfaces:",
                             name)};
}

std::vector<PolicyConfig> read_older_form(const YamlNode& root, Problems& problems) {
  if (root.children.empty()) {
    problems.push_back({root.position, "the list has no rules; for no policies write version: 1 and policies: []"});
  }
  std::vector<PolicyConfig> rules;
  for (std::size_t i = 0; i < root.children.size(); ++i) {
    const YamlNode& node = root.children[i];
    if (is_kind(node, Kind::mapping, fmt::format("rule {}", i + 1), problems)) rules.push_back(read_rule(node, i, problems));
  }
  return rules;
}

}  // namespace nswarden
