// SPDX-License-Identifier: Apache-2.0
#include "config/config_sysctls.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config_schema.hpp>
#include <nswarden/policy/key_traits.hpp>
#include "config/setting_rules.hpp"

namespace nswarden {
namespace {

using Kind = YamlNode::Kind;
using Problems = std::vector<Problem>;
using Strings = std::vector<std::string>;

/// A note is part of a report line.
constexpr std::size_t longest_note = 512;

bool is_boolean_word(std::string_view text) {
  constexpr std::array<std::string_view, 6> words{"true", "false", "yes", "no", "on", "off"};
  return std::find(words.begin(), words.end(), ascii_lower(text)) != words.end();
}

/// Reads the desired value of one key.
class SettingReader {
 public:
  SettingReader(const KeyPattern& key, Problems& problems) : key_(key), name_(display_name(key)), problems_(problems) {}

  /// Reads a scalar, or a mapping of setting_fields. Empty optional after a problem.
  std::optional<Setting> read(const YamlNode& entry, bool has_minus);

 private:
  template <class... Args>
  void add_problem(Position position, fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back({position, fmt::format(format, std::forward<Args>(args)...)});
  }

  std::optional<Setting> read_mapping(const YamlNode& entry, Setting setting);
  std::optional<Want> read_want(const YamlFields& fields);
  std::optional<Want> read_condition(Want::Kind kind, const YamlNode& node, std::optional<std::string> set);
  /// value_refusal() or bound_refusal().
  using Refusal = std::optional<std::string> (*)(const KeyPattern& key, std::string_view text);
  std::optional<std::string> read_value(const YamlNode& node, const std::string& path, Refusal refusal);
  std::optional<Strings> read_operands(Want::Kind kind, const YamlNode& node, const std::string& path);

  const KeyPattern& key_;
  std::string name_;
  Problems& problems_;
};

std::optional<Setting> SettingReader::read(const YamlNode& entry, bool has_minus) {
  Setting setting{key_, Want::equal({}), entry.key_position};
  setting.optional = has_minus;
  if (entry.kind == Kind::mapping) return read_mapping(entry, std::move(setting));
  auto value = read_value(entry, name_, value_refusal);
  if (!value) return std::nullopt;
  setting.want = Want::equal(*std::move(value));
  return setting;
}

std::optional<Setting> SettingReader::read_mapping(const YamlNode& entry, Setting setting) {
  const std::size_t problems_before = problems_.size();
  const YamlFields fields(entry, name_, setting_fields, problems_);
  auto want = read_want(fields);
  setting.mode = read_mode(fields);
  const YamlNode* optional = fields.find("optional");
  if (optional != nullptr) {
    const bool is_optional = read_boolean(fields, "optional");
    if (setting.optional && !is_optional && problems_.size() == problems_before) {
      add_problem(optional->position, "{}: optional: false contradicts the '-' before the key; remove one of them", name_);
    }
    setting.optional = is_optional;
  }
  setting.note = read_line(fields, "note", longest_note).value_or(std::string{});
  if (want && !want->set() && setting.mode == Mode::enforce) {
    add_problem(fields.find("mode")->position,
                "{}: mode: enforce requires set:, the value to write when the condition does not hold; add it, or write "
                "mode: audit",
                name_);
  }
  if (!want || problems_.size() != problems_before) return std::nullopt;
  setting.want = *std::move(want);
  return setting;
}

std::optional<Want> SettingReader::read_want(const YamlFields& fields) {
  const YamlNode* found = nullptr;
  Want::Kind kind = Want::Kind::equal;
  for (std::size_t i = 0; i < want_fields.size(); ++i) {
    const YamlNode* node = fields.find(want_fields[i].name);
    if (node == nullptr) continue;
    if (found != nullptr) {
      add_problem(std::max(found->key_position, node->key_position,
                           [](const Position& a, const Position& b) {
                             return std::pair(a.line, a.column) < std::pair(b.line, b.column);
                           }),
                  "{} has both {} and {}; keep one of them, or write between: [LEAST, MOST] for a range", name_, field_of(kind),
                  want_fields[i].name);
      return std::nullopt;
    }
    found = node;
    kind = static_cast<Want::Kind>(i);
  }
  if (found == nullptr) {
    if (!fields.has_unknown_field()) {
      add_problem(
          fields.position(),
          "{} has neither a value nor a condition; write value: or one of min:, max:, between:, one_of:, not:, regex:", name_);
    }
    return std::nullopt;
  }
  const YamlNode* set_node = fields.find("set");
  if (set_node != nullptr && kind == Want::Kind::equal) {
    add_problem(set_node->key_position, "{}: set: has no effect with value:, because value: is written; remove set:", name_);
    return std::nullopt;
  }
  std::optional<std::string> set;
  if (set_node != nullptr) {
    set = read_value(*set_node, fields.path("set"), value_refusal);
    if (!set) return std::nullopt;
  }
  return read_condition(kind, *found, std::move(set));
}

std::optional<Want> SettingReader::read_condition(Want::Kind kind, const YamlNode& node, std::optional<std::string> set) {
  const std::string path = fmt::format("{}.{}", name_, field_of(kind));
  auto operands = read_operands(kind, node, path);
  if (!operands) return std::nullopt;
  if (kind == Want::Kind::equal) return Want::equal(std::move(operands->front()));
  auto want = Want::condition(kind, *std::move(operands), std::move(set), sense_of(key_));
  if (auto* made = std::get_if<Want>(&want)) return std::move(*made);
  if (traits_of(key_.path()).secret) {
    add_problem(node.position, "{}: invalid condition; details are omitted because the value is secret", path);
  } else {
    add_problem(node.position, "{}: {}", path, std::get<Problem>(want).message);
  }
  return std::nullopt;
}

std::optional<Strings> SettingReader::read_operands(Want::Kind kind, const YamlNode& node, const std::string& path) {
  if (kind == Want::Kind::regex) {
    // Want compiles the pattern.
    return is_pattern_text(node, path, problems_) ? std::optional(Strings{node.text}) : std::nullopt;
  }
  const bool is_bound = kind == Want::Kind::min || kind == Want::Kind::max || kind == Want::Kind::between;
  Strings operands;
  const Refusal refusal = is_bound ? bound_refusal : value_refusal;
  if (kind != Want::Kind::between && kind != Want::Kind::one_of) {
    if (auto value = read_value(node, path, refusal)) operands.push_back(*std::move(value));
    return operands.empty() ? std::nullopt : std::optional(std::move(operands));
  }
  if (!is_kind(node, Kind::list, path, problems_)) return std::nullopt;
  if (kind == Want::Kind::between && node.children.size() != 2) {
    add_problem(node.position, "{}: expected two numbers, found {}; write [LEAST, MOST]", path, node.children.size());
    return std::nullopt;
  }
  if (node.children.empty()) {
    add_problem(node.position, "{} is empty; write at least one value", path);
    return std::nullopt;
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    if (auto value = read_value(node.children[i], fmt::format("{}[{}]", path, i), refusal))
      operands.push_back(*std::move(value));
  }
  return operands.size() == node.children.size() ? std::optional(std::move(operands)) : std::nullopt;
}

/// The value may be a secret, so messages omit it.
std::optional<std::string> SettingReader::read_value(const YamlNode& node, const std::string& path, Refusal refusal) {
  if (node.kind == Kind::refused) return std::nullopt;
  if (node.kind == Kind::null) {
    add_problem(node.position, "{} has no value; write the wanted value", path);
  } else if (node.kind != Kind::scalar) {
    add_problem(node.position, "{}: expected a single value, found {}; write several numbers as \"4096 87380 6291456\"", path,
                to_string(node.kind));
  } else if (!node.quoted && is_boolean_word(node.text)) {
    add_problem(node.position, "{}: sysctls are numbers; write 1 or 0 instead of {}", path, node.text);
  } else if (const auto problem = refusal(key_, node.text)) {
    add_problem(node.position, "{}: {}", path, *problem);
  } else {
    return normalised(node.text);
  }
  return std::nullopt;
}

/// Reports a key that is already present in another spelling.
class Spellings {
 public:
  Spellings(std::string policy, Problems& problems) : policy_(std::move(policy)), problems_(problems) {}

  bool is_new(const KeyPattern& key, Position position) {
    const auto [first, fresh] = lines_.emplace(key, position.line);
    if (fresh) return true;
    problems_.push_back({position, fmt::format("duplicate key {} in {}, first in line {} in another spelling; remove one",
                                               display_name(key), policy_, first->second)});
    return false;
  }

 private:
  std::string policy_;
  Problems& problems_;
  std::map<KeyPattern, int> lines_;
};

}  // namespace

PolicyConfig with_sysctls(PolicyConfig policy, const YamlFields& fields) {
  const YamlNode* mapping = fields.find("sysctls");
  Problems& problems = fields.problems();
  if (mapping == nullptr) return policy;
  if (mapping->kind == Kind::null || (mapping->kind == Kind::mapping && mapping->children.empty())) {
    problems.push_back({mapping->position, fmt::format("{} has no sysctls; write sysctls: with a mapping of keys to values, or "
                                                       "remove the field",
                                                       fields.name())});
    return policy;
  }
  if (!is_kind(*mapping, Kind::mapping, fields.path("sysctls"), problems)) return policy;
  Spellings spellings(fields.name(), problems);
  Spellings excluded("the exclusions of " + fields.name(), problems);
  for (const YamlNode& entry : mapping->children) {
    const auto written = read_key(entry.key);
    if (const auto* problem = std::get_if<Problem>(&written)) {
      problems.push_back({entry.key_position, problem->message});
      continue;
    }
    const auto& [key, has_minus] = std::get<WrittenKey>(written);
    if (has_minus && entry.kind == Kind::null) {
      if (excluded.is_new(key, entry.key_position)) policy.exclusions.push_back(key);
      continue;
    }
    // The duplicate may have problems of its own.
    const bool is_new = spellings.is_new(key, entry.key_position);
    if (auto refusal = key_refusal(key, policy)) problems.push_back({entry.key_position, *std::move(refusal)});
    auto setting = SettingReader(key, problems).read(entry, has_minus);
    if (!setting || !is_new) continue;
    if (setting->want.set()) {
      auto refusal = enforcing_refusal(key, setting->mode.value_or(policy.mode));
      if (refusal) problems.push_back({entry.key_position, *std::move(refusal)});
    }
    policy.sysctls.push_back(*std::move(setting));
  }
  return policy;
}

std::vector<Observation> read_observations(const YamlFields& fields) {
  const YamlNode* node = fields.find("observe");
  if (node == nullptr) return {};
  Problems& problems = fields.problems();
  std::vector<Observation> observations;
  Spellings seen(fields.path("observe"), problems);
  if (node->kind == Kind::scalar) {
    problems.push_back(
        {node->position, fmt::format("{}: expected a list, found a single value; write [KEY]", fields.path("observe"))});
    return {};
  }
  for (const NamedScalar& scalar : read_one_or_list(*node, fields.path("observe"), problems)) {
    auto key = KeyPattern::parse(scalar.node->text);
    if (const auto* problem = std::get_if<Problem>(&key)) {
      problems.push_back(
          {scalar.node->position, fmt::format("{}: \"{}\": {}", scalar.path, excerpt(scalar.node->text), problem->message)});
      continue;
    }
    KeyPattern& observed = std::get<KeyPattern>(key);
    if (auto refusal = observation_refusal(observed)) {
      problems.push_back({scalar.node->position, fmt::format("{}: {}", scalar.path, *refusal)});
    } else if (seen.is_new(observed, scalar.node->position)) {
      observations.push_back({std::move(observed), scalar.node->position});
    }
  }
  return observations;
}

}  // namespace nswarden
