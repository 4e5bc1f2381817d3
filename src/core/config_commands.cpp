// SPDX-License-Identifier: Apache-2.0
#include "core/config_commands.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <nswarden/core/inotify_events.hpp>
#include <nswarden/core/policy.hpp>
#include <nswarden/core/text.hpp>

namespace nswarden::core {
namespace {

using Kind = YamlNode::Kind;
using Problems = std::vector<Problem>;

constexpr std::array<std::string_view, 2> command_fields{"startup", "events"};
constexpr std::array<std::string_view, 3> rule_fields{"netns_regex", "daemon_startup_actions", "inotify_actions"};

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

PolicyConfig read_rule(const YamlNode& node, std::size_t index, Problems& problems) {
  const YamlFields fields(node, fmt::format("rule {}", index + 1), rule_fields, problems);
  PolicyConfig rule;
  rule.name = fmt::format("rule-{}", index + 1);
  rule.where = node.where;
  rule.netns = read_pattern(fields, "netns_regex", problems);
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

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
}

PolicyCommands read_commands(const YamlNode& node, std::string_view path, Problems& problems) {
  PolicyCommands commands;
  if (!is_kind(node, Kind::mapping, path, problems)) return commands;
  const YamlFields fields(node, std::string(path), command_fields, problems);
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

std::string read_pattern(const YamlFields& fields, std::string_view field, Problems& problems) {
  const YamlNode* node = fields.require(field, "write a regular expression for the names it is for, such as ^qrouter-");
  const std::string path = fields.path(field);
  if (node == nullptr || !is_kind(*node, Kind::scalar, path, problems)) return {};
  if (node->text.empty()) {
    problems.push_back({node->where, fmt::format("{} is empty; write .* to match every netns", path)});
  } else if (has_control(node->text)) {
    // A block scalar ends with a newline, and such a pattern would silently match nothing.
    problems.push_back(
        {node->where, fmt::format("{} has a newline or a control character in it; write it on one line, or as an "
                                  "escape",
                                  path)});
  } else if (const auto problem = pattern_problem(node->text)) {
    problems.push_back({node->where, fmt::format("{}: {}", path, *problem)});
  }
  return node->text;
}

}  // namespace nswarden::core
