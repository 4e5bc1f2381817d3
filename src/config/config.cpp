// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/config.hpp>

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config_schema.hpp>
#include "config/config_policy.hpp"

namespace nswarden {
namespace {

using Kind = YamlNode::Kind;
using Problems = std::vector<Problem>;

void read_version(const YamlFields& top) {
  const YamlNode* node = top.require("version", "write version: 1");
  if (node == nullptr || !is_kind(*node, Kind::scalar, "version", top.problems())) return;
  if (node->text == "1") return;
  top.refuse(*node, "version", "version", "1");
}

std::vector<PolicyConfig> read_policies(const YamlFields& top, Mode mode) {
  const YamlNode* list = top.require("policies", "write policies: [] for no policies");
  Problems& problems = top.problems();
  if (list == nullptr || !is_kind(*list, Kind::list, "policies", problems)) return {};
  std::vector<PolicyConfig> policies;
  std::map<std::string, Position> seen;
  for (std::size_t i = 0; i < list->children.size(); ++i) {
    const YamlNode& node = list->children[i];
    const std::string name = fmt::format("policies[{}]", i);
    if (!is_kind(node, Kind::mapping, name, problems)) continue;
    PolicyConfig policy = read_policy(node, name, mode, problems);
    const auto [first, is_new] = seen.emplace(policy.name, policy.position);
    if (!is_new && !policy.name.empty()) {
      problems.push_back({policy.position, fmt::format("{}: duplicate policy name \"{}\", first in line {}; rename one", name,
                                                       policy.name, first->second.line)});
    }
    policies.push_back(std::move(policy));
  }
  return policies;
}

Config read_native(const YamlFields& top, Mode mode) {
  Config config;
  read_version(top);
  config.include = read_paths(top, "include");
  config.netns_dirs = read_directories(top, "netns_dirs");
  config.links = read_boolean(top, "follow_links") ? Links::follow : Links::refuse;
  config.reconcile_interval = read_duration(top, "reconcile_interval", min_reconcile_interval);
  config.command_timeout = read_duration(top, "command_timeout", min_command_timeout);
  config.repair_budget = read_number(top, "repair_budget", {min_repair_budget, max_repair_budget});
  config.repair_window = read_duration(top, "repair_window", min_repair_window);
  config.policies = read_policies(top, mode);
  return config;
}

/// Continues after each problem.
void read_tree(const YamlNode& root, const TextPlace& place, ParsedText& text) {
  const bool is_included = place.role == TextPlace::Role::included;
  if (root.kind == Kind::list && is_included) {
    text.problems.push_back(
        {root.position, "cannot include a file of the older form; convert it with nswarden config convert"});
  } else if (root.kind == Kind::list) {
    text.config.form = Config::Form::older;
    text.config.policies = read_older_form(root, text.problems);
  } else if (is_kind(root, Kind::mapping, "the file", text.problems)) {
    const auto known = is_included ? std::span<const Field>(included_fields) : std::span<const Field>(top_fields);
    const YamlFields top(root, "", known, text.problems);
    text.mode = read_mode(top).value_or(place.mode);
    text.config = read_native(top, text.mode);
  }
}

}  // namespace

bool precedes(const Problem& a, const Problem& b) {
  const auto place = [](const Position& position) { return std::tuple(position.file, position.line, position.column); };
  return place(a.position) < place(b.position);
}

ParsedText parse_text(std::string_view yaml, const TextPlace& place) {
  YamlTree tree = parse_yaml(yaml, place.file);
  ParsedText text;
  text.mode = place.mode;
  text.problems = std::move(tree.problems);
  if (tree.root) read_tree(*tree.root, place, text);
  std::stable_sort(text.problems.begin(), text.problems.end(), precedes);
  return text;
}

std::variant<Config, std::vector<Problem>> parse_config(std::string_view yaml) {
  ParsedText text = parse_text(yaml, {});
  if (text.problems.empty()) return std::move(text.config);
  return std::move(text.problems);
}

std::string format_problem(std::string_view file, const Problem& problem) {
  return fmt::format("{}:{}:{}: {}", printable(file), problem.position.line, problem.position.column, problem.message);
}

}  // namespace nswarden
