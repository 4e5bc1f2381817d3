// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/config.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <span>

#include <fmt/format.h>

#include <nswarden/core/policy.hpp>
#include <nswarden/core/text.hpp>
#include <nswarden/core/value.hpp>

#include "core/config_commands.hpp"
#include "core/yaml_fields.hpp"
#include "core/yaml_tree.hpp"

namespace nswarden::core {
namespace {

using Kind = YamlNode::Kind;

/// It is a label of every series.
constexpr std::size_t longest_policy_name = 128;

constexpr std::array<std::string_view, 8> top_fields{
    "version", "netns_dirs", "reconcile_interval", "command_timeout", "repair_budget", "repair_window", "mode", "policies"};
constexpr std::array<std::string_view, 5> policy_fields{"name", "netns", "mode", "sysctls", "commands"};

bool is_boolean_word(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  constexpr std::array<std::string_view, 6> words{"true", "false", "yes", "no", "on", "off"};
  return std::find(words.begin(), words.end(), lower) != words.end();
}

/// Reads the tree field by field, goes on after each problem, and leaves them all in `problems`.
class ConfigReader {
 public:
  explicit ConfigReader(std::vector<Problem>& problems) : problems_(problems) {}

  Config read(const YamlNode& root);

 private:
  template <class... Args>
  void add_problem(Position where, fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back({where, fmt::format(format, std::forward<Args>(args)...)});
  }

  bool is_kind(const YamlNode& node, Kind kind, std::string_view path) { return core::is_kind(node, kind, path, problems_); }

  void read_version(const YamlFields& top);
  void read_netns_dirs(const YamlFields& top, Config& config);
  std::optional<std::chrono::milliseconds> read_duration(const YamlFields& top, std::string_view field,
                                                         std::chrono::milliseconds shortest);
  std::optional<std::uint32_t> read_budget(const YamlFields& top);
  void read_policies(const YamlFields& top, Mode mode, Config& config);
  Mode read_mode(const YamlFields& fields, Mode otherwise);
  PolicyConfig read_policy(const YamlNode& node, std::string name, Mode mode);
  std::string read_policy_name(const YamlFields& policy);
  std::vector<Setting> read_sysctls(const YamlFields& policy);
  std::optional<Setting> read_setting(const YamlNode& entry);
  std::optional<std::string> read_value(const Key& key, const YamlNode& node);

  std::vector<Problem>& problems_;
};

Config ConfigReader::read(const YamlNode& root) {
  Config config;
  if (root.kind == Kind::list) {
    config.form = Config::Form::older;
    config.policies = read_older_form(root, problems_);
    return config;
  }
  if (!is_kind(root, Kind::mapping, "the file")) return config;
  const YamlFields top(root, "", top_fields, problems_);
  read_version(top);
  read_netns_dirs(top, config);
  config.reconcile_interval = read_duration(top, "reconcile_interval", min_reconcile_interval);
  config.command_timeout = read_duration(top, "command_timeout", min_command_timeout);
  config.repair_budget = read_budget(top);
  config.repair_window = read_duration(top, "repair_window", min_repair_window);
  read_policies(top, read_mode(top, Mode::enforce), config);
  return config;
}

void ConfigReader::read_version(const YamlFields& top) {
  const YamlNode* node = top.require("version", "write version: 1");
  if (node == nullptr || !is_kind(*node, Kind::scalar, "version")) return;
  if (node->text == "1") return;
  add_problem(node->where, "version \"{}\" is not known; this version of nswarden reads version: 1", excerpt(node->text));
}

void ConfigReader::read_netns_dirs(const YamlFields& top, Config& config) {
  const YamlNode* list = top.find("netns_dirs");
  if (list == nullptr || !is_kind(*list, Kind::list, "netns_dirs")) return;
  if (list->children.empty()) {
    add_problem(list->where, "netns_dirs is empty; name a directory, or remove the field for /run/netns");
  }
  for (std::size_t i = 0; i < list->children.size(); ++i) {
    const YamlNode& node = list->children[i];
    if (!is_kind(node, Kind::scalar, fmt::format("netns_dirs[{}]", i))) continue;
    if (!node.text.starts_with('/') || has_control(node.text)) {
      add_problem(node.where, "netns_dirs[{}]: \"{}\" is no absolute path; write it as /run/netns", i, excerpt(node.text));
      continue;
    }
    std::string path = node.text.substr(0, std::max<std::size_t>(node.text.find_last_not_of('/') + 1, 1));
    if (std::find(config.netns_dirs.begin(), config.netns_dirs.end(), path) != config.netns_dirs.end()) {
      add_problem(node.where, "netns_dirs[{}]: {} is in the list twice; keep one of them", i, printable(path));
      continue;
    }
    config.netns_dirs.push_back(std::move(path));
  }
}

std::optional<std::chrono::milliseconds> ConfigReader::read_duration(const YamlFields& top, std::string_view field,
                                                                     std::chrono::milliseconds shortest) {
  const YamlNode* node = top.find(field);
  if (node == nullptr || !is_kind(*node, Kind::scalar, field)) return std::nullopt;
  const auto duration = parse_duration(node->text);
  if (!duration) {
    add_problem(node->where, "{}: \"{}\" is no duration; write it as 500ms, 10s, 5m or 1h", field, excerpt(node->text));
  } else if (*duration < shortest) {
    add_problem(node->where, "{}: {} is too short; the shortest is {}", field, format_duration(*duration),
                format_duration(shortest));
  } else {
    return duration;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> ConfigReader::read_budget(const YamlFields& top) {
  constexpr std::string_view field = "repair_budget";
  const YamlNode* node = top.find(field);
  if (node == nullptr || !is_kind(*node, Kind::scalar, field)) return std::nullopt;
  std::uint32_t budget = 0;
  const char* const end = node->text.data() + node->text.size();
  const auto [parsed, error] = std::from_chars(node->text.data(), end, budget);
  if (error == std::errc() && parsed == end && budget >= min_repair_budget && budget <= max_repair_budget) return budget;
  add_problem(node->where, "{}: \"{}\" is no number from {} to {}", field, excerpt(node->text), min_repair_budget,
              max_repair_budget);
  return std::nullopt;
}

Mode ConfigReader::read_mode(const YamlFields& fields, Mode otherwise) {
  const YamlNode* node = fields.find("mode");
  if (node == nullptr || !is_kind(*node, Kind::scalar, fields.path("mode"))) return otherwise;
  if (node->text == "enforce") return Mode::enforce;
  if (node->text == "audit") return Mode::audit;
  add_problem(node->where, "{}: \"{}\" is no mode; write enforce or audit", fields.path("mode"), excerpt(node->text));
  return otherwise;
}

void ConfigReader::read_policies(const YamlFields& top, Mode mode, Config& config) {
  const YamlNode* list = top.require("policies", "write policies: [] to want nothing");
  if (list == nullptr || !is_kind(*list, Kind::list, "policies")) return;
  std::map<std::string, Position> seen;
  for (std::size_t i = 0; i < list->children.size(); ++i) {
    const YamlNode& node = list->children[i];
    const std::string name = fmt::format("policies[{}]", i);
    if (!is_kind(node, Kind::mapping, name)) continue;
    PolicyConfig policy = read_policy(node, name, mode);
    const auto [first, is_new] = seen.emplace(policy.name, policy.where);
    if (!is_new && !policy.name.empty()) {
      add_problem(policy.where, "{}: another policy is named \"{}\", in line {}; names must differ", name, policy.name,
                  first->second.line);
    }
    config.policies.push_back(std::move(policy));
  }
}

PolicyConfig ConfigReader::read_policy(const YamlNode& node, std::string name, Mode mode) {
  const YamlFields fields(node, std::move(name), policy_fields, problems_);
  PolicyConfig policy;
  policy.name = read_policy_name(fields);
  policy.netns = read_pattern(fields, "netns", problems_);
  policy.mode = read_mode(fields, mode);
  if (const YamlNode* commands = fields.find("commands")) {
    policy.commands = core::read_commands(*commands, fields.path("commands"), problems_);
  }
  // A policy may be there for its commands alone.
  if (fields.find("sysctls") != nullptr || fields.find("commands") == nullptr) policy.sysctls = read_sysctls(fields);
  policy.where = node.where;
  return policy;
}

/// Empty when there is a problem.
std::string ConfigReader::read_policy_name(const YamlFields& policy) {
  const YamlNode* node = policy.require("name", "give it one, it is shown in metrics and logs");
  const std::string path = policy.path("name");
  if (node == nullptr || !is_kind(*node, Kind::scalar, path)) return {};
  if (node->text.empty()) {
    add_problem(node->where, "{} is empty; it is shown in metrics and logs", path);
  } else if (node->text.size() > longest_policy_name) {
    add_problem(node->where, "{} is longer than {} bytes", path, longest_policy_name);
  } else if (printable(node->text) != node->text) {
    add_problem(node->where, "{}: \"{}\" has a backslash or characters that cannot be shown; remove them", path,
                excerpt(node->text));
  } else {
    return node->text;
  }
  return {};
}

std::vector<Setting> ConfigReader::read_sysctls(const YamlFields& policy) {
  constexpr std::string_view remedy = "write sysctls: with a mapping of keys to values, or commands:, or remove the policy";
  const YamlNode* mapping = policy.require("sysctls", remedy);
  if (mapping == nullptr) return {};
  const bool is_empty = mapping->kind == Kind::null || (mapping->kind == Kind::mapping && mapping->children.empty());
  if (is_empty) {
    add_problem(mapping->where, "{} has no sysctls; {}", policy.name(), remedy);
    return {};
  }
  if (!is_kind(*mapping, Kind::mapping, policy.path("sysctls"))) return {};
  std::vector<Setting> settings;
  std::map<Key, int> lines_of_keys;
  for (const YamlNode& entry : mapping->children) {
    auto setting = read_setting(entry);
    if (!setting) continue;
    const auto [first, is_new] = lines_of_keys.emplace(setting->key, setting->where.line);
    if (is_new) {
      settings.push_back(*std::move(setting));
    } else {
      add_problem(entry.key_where, "{} is in {} twice, first in line {} in another spelling; keep one of them",
                  printable(setting->key.name()), policy.name(), first->second);
    }
  }
  return settings;
}

/// A setting with an empty `want` when only its value has a problem.
std::optional<Setting> ConfigReader::read_setting(const YamlNode& entry) {
  auto parsed = Key::parse(entry.key);
  if (const auto* problem = std::get_if<std::string>(&parsed)) {
    add_problem(entry.key_where, "sysctl \"{}\": {}", excerpt(entry.key), *problem);
    return std::nullopt;
  }
  Key& key = *std::get_if<Key>(&parsed);
  std::string want = read_value(key, entry).value_or(std::string{});
  return Setting{std::move(key), std::move(want), entry.key_where};
}

/// The value may be a secret, so no message shows it.
std::optional<std::string> ConfigReader::read_value(const Key& key, const YamlNode& node) {
  const std::string name = printable(key.name());
  if (node.kind == Kind::refused) return std::nullopt;
  if (node.kind == Kind::null) {
    add_problem(node.where, "{} has no value; write the value that is wanted", name);
  } else if (node.kind != Kind::scalar) {
    add_problem(node.where, "{}: expected a single value, found {}; write several numbers as \"4096 87380 6291456\"", name,
                to_string(node.kind));
  } else if (!node.quoted && is_boolean_word(node.text)) {
    add_problem(node.where, "{}: sysctls are numbers; write 1 or 0 instead of {}", name, node.text);
  } else if (const auto problem = value_problem(node.text)) {
    add_problem(node.where, "{}: {}", name, *problem);
  } else {
    return normalised(node.text);
  }
  return std::nullopt;
}

bool comes_before(const Problem& a, const Problem& b) {
  return a.where.line != b.where.line ? a.where.line < b.where.line : a.where.column < b.where.column;
}

}  // namespace

std::variant<Config, std::vector<Problem>> parse_config(std::string_view yaml) {
  YamlTree tree = parse_yaml(yaml);
  Config config;
  if (tree.root) config = ConfigReader(tree.problems).read(*tree.root);
  if (tree.problems.empty()) return config;
  std::stable_sort(tree.problems.begin(), tree.problems.end(), comes_before);
  return std::move(tree.problems);
}

std::string format_problem(std::string_view file, const Problem& problem) {
  return fmt::format("{}:{}:{}: {}", printable(file), problem.where.line, problem.where.column, problem.message);
}

}  // namespace nswarden::core
