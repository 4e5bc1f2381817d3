// SPDX-License-Identifier: Apache-2.0
// A mapping of the configuration whose fields are known by name: unknown ones are told when it is made, with the one that
// was probably meant. All problems go to the list given. Pure, any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/config/yaml_tree.hpp>
#include "config/config_fields.hpp"

namespace nswarden {

/// Tells the problem, unless it is told already, when `node` is of another kind. `path` is how the message calls it.
bool is_kind(const YamlNode& node, YamlNode::Kind kind, std::string_view path, std::vector<Problem>& problems);

/// How a message calls a kind of node: "a list".
std::string_view to_string(YamlNode::Kind kind);

class YamlFields {
 public:
  /// `node` is a mapping and outlives this. `name` is how messages call it; empty at the top of the file.
  YamlFields(const YamlNode& node, std::string name, std::span<const Field> known, std::vector<Problem>& problems);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Position where() const { return node_.where; }
  /// Where all problems of this mapping go.
  [[nodiscard]] std::vector<Problem>& problems() const { return problems_; }
  /// Whether there is an unknown field, which may have been meant to be one that is missed.
  [[nodiscard]] bool told_unknown() const { return told_unknown_; }
  [[nodiscard]] std::string path(std::string_view field) const;
  /// None when the field is absent.
  [[nodiscard]] const YamlNode* find(std::string_view field) const;
  /// As find(), but its absence is a problem, except when an unknown field was probably meant to be this one.
  const YamlNode* require(std::string_view field, std::string_view remedy) const;

 private:
  void refuse(const YamlNode& entry, std::span<const Field> known);

  const YamlNode& node_;
  std::string name_;
  std::vector<Problem>& problems_;
  std::vector<std::string_view> meant_;
  bool told_unknown_ = false;
};

}  // namespace nswarden
