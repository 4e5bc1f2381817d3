// SPDX-License-Identifier: Apache-2.0
#include "config/yaml_fields.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>

namespace nswarden {

std::string_view to_string(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::null: return "nothing";
    case YamlNode::Kind::scalar: return "a single value";
    case YamlNode::Kind::list: return "a list";
    case YamlNode::Kind::mapping: return "a mapping";
    case YamlNode::Kind::refused: break;
  }
  return "something else";
}

bool is_kind(const YamlNode& node, YamlNode::Kind kind, std::string_view path, std::vector<Problem>& problems) {
  if (node.kind == kind) return true;
  if (node.kind != YamlNode::Kind::refused) {
    problems.push_back({node.where, fmt::format("{}: expected {}, found {}", path, to_string(kind), to_string(node.kind))});
  }
  return false;
}

YamlFields::YamlFields(const YamlNode& node, std::string name, std::span<const Field> known, std::vector<Problem>& problems)
    : node_(node), name_(std::move(name)), problems_(problems) {
  for (const YamlNode& entry : node.children) {
    const auto is_it = [&entry](const Field& field) { return field.name == entry.key; };
    if (std::none_of(known.begin(), known.end(), is_it)) refuse(entry, known);
  }
}

void YamlFields::refuse(const YamlNode& entry, std::span<const Field> known) {
  const std::string place = name_.empty() ? std::string{} : " in " + name_;
  std::vector<std::string_view> names;
  for (const Field& field : known) names.push_back(field.name);
  std::string message;
  if (const auto meant = nearest(entry.key, names)) {
    message = fmt::format("unknown field \"{}\"{}; did you mean \"{}\"?", excerpt(entry.key), place, *meant);
    meant_.push_back(*meant);
  } else {
    message = fmt::format("unknown field \"{}\"{}; known are {}", excerpt(entry.key), place, fmt::join(names, ", "));
  }
  problems_.push_back({entry.key_where, std::move(message)});
  told_unknown_ = true;
}

std::string YamlFields::path(std::string_view field) const {
  return name_.empty() ? std::string(field) : fmt::format("{}.{}", name_, field);
}

const YamlNode* YamlFields::find(std::string_view field) const {
  const auto& all = node_.children;
  const auto found = std::find_if(all.begin(), all.end(), [&](const YamlNode& entry) { return entry.key == field; });
  return found == all.end() ? nullptr : &*found;
}

const YamlNode* YamlFields::require(std::string_view field, std::string_view remedy) const {
  const YamlNode* found = find(field);
  const bool is_misspelt = std::find(meant_.begin(), meant_.end(), field) != meant_.end();
  if (found == nullptr && !is_misspelt) {
    const std::string place = name_.empty() ? "the file" : name_;
    problems_.push_back({node_.where, fmt::format("{} has no {}; {}", place, field, remedy)});
  }
  return found;
}

}  // namespace nswarden
