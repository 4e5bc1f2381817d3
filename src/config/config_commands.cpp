// SPDX-License-Identifier: Apache-2.0
#include "config/config_commands.hpp"

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/policy/inotify_events.hpp>

#include <nswarden/config/config_shapes.hpp>

namespace nswarden {
namespace {

using Kind = YamlNode::Kind;
using Problems = std::vector<Problem>;

std::vector<std::string> read_command_list(const YamlNode& list, const std::string& path, Problems& problems) {
  if (!is_kind(list, Kind::list, path, problems)) return {};
  std::vector<std::string> commands;
  for (std::size_t i = 0; i < list.children.size(); ++i) {
    const YamlNode& node = list.children[i];
    const std::string name = fmt::format("{}[{}]", path, i);
    if (!is_kind(node, Kind::scalar, name, problems)) continue;
    if (node.text.find_first_not_of(" \t\n") == std::string::npos) {
      problems.push_back({node.where, fmt::format("{} is empty; write a shell command, or remove it", name)});
    } else if (node.text.find('\0') != std::string::npos) {
      problems.push_back({node.where, fmt::format("{} has a NUL in it, where the shell would end", name)});
    } else if (node.text.size() > max_command_size) {
      problems.push_back({node.where, fmt::format("{} is longer than 64 KiB; put it into a script", name)});
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
    const auto meant = nearest(entry.key, known);
    problems.push_back({entry.key_where, fmt::format("{}: unknown event \"{}\"; {}", path, excerpt(entry.key),
                                                     meant ? fmt::format("did you mean \"{}\"?", *meant)
                                                           : "nswarden config events lists those that are known")});
  }
}

CommandCapabilities read_capabilities(const YamlFields& fields) {
  const YamlNode* node = fields.find("capabilities");
  const std::string path = fields.path("capabilities");
  if (node == nullptr || !is_kind(*node, Kind::scalar, path, fields.problems())) return CommandCapabilities::none;
  if (node->text == "daemon") return CommandCapabilities::daemon;
  if (node->text != "none") {
    fields.problems().push_back(
        {node->where, fmt::format("{}: \"{}\" is neither none nor daemon; write one of them", path, excerpt(node->text))});
  }
  return CommandCapabilities::none;
}

PolicyConfig read_rule(const YamlNode& node, std::size_t index, Problems& problems) {
  const YamlFields fields(node, fmt::format("rule {}", index + 1), rule_fields, problems);
  PolicyConfig rule;
  rule.name = fmt::format("rule-{}", index + 1);
  rule.where = node.where;
  // Its commands are there to set sysctls in other netns.
  rule.commands.capabilities = CommandCapabilities::daemon;
  const YamlNode* pattern =
      fields.require("netns_regex", "write a regular expression for the names it is for, such as ^qrouter-");
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

PolicyCommands read_commands(const YamlNode& node, std::string_view path, Problems& problems) {
  PolicyCommands commands;
  if (!is_kind(node, Kind::mapping, path, problems)) return commands;
  const YamlFields fields(node, std::string(path), command_fields, problems);
  commands.capabilities = read_capabilities(fields);
  if (const YamlNode* startup = fields.find("startup")) {
    commands.startup = read_command_list(*startup, fields.path("startup"), problems);
  }
  if (const YamlNode* events = fields.find("events")) read_events(*events, fields.path("events"), commands, problems);
  return commands;
}

std::vector<PolicyConfig> read_older_form(const YamlNode& root, Problems& problems) {
  if (root.children.empty()) {
    problems.push_back({root.where, "the list has no rules; a file that wants nothing is version: 1 with policies: []"});
  }
  std::vector<PolicyConfig> rules;
  for (std::size_t i = 0; i < root.children.size(); ++i) {
    const YamlNode& node = root.children[i];
    if (is_kind(node, Kind::mapping, fmt::format("rule {}", i + 1), problems)) rules.push_back(read_rule(node, i, problems));
  }
  return rules;
}

}  // namespace nswarden
