// SPDX-License-Identifier: Apache-2.0
// The fields of a mapping, by name: unknown ones are told when it is made, with the one that was probably meant. And the shapes of
// values that many fields share: booleans, modes, durations, one or a list. An absent field gives nothing, or what the reader
// names. Every problem goes to the list given. Pure, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nswarden/config/yaml_tree.hpp>
#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// A field that is known.
struct Field {
  std::string_view name;
  std::string_view shape{};  ///< of its value, as config_schema.cpp defines it; empty where the schema does not have the field
  std::string_view about{};  ///< a sentence
};

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
  /// None also when it is of another kind, which is told.
  [[nodiscard]] const YamlNode* find_scalar(std::string_view field) const;
  /// Adds the problem `PATH: "TEXT" MESSAGE` of a scalar.
  std::nullopt_t refuse(const YamlNode& scalar, std::string_view path, std::string_view message) const;
  /// As find(), but its absence is a problem, except when an unknown field was probably meant to be this one.
  const YamlNode* require(std::string_view field, std::string_view remedy) const;

 private:
  void refuse_unknown(const YamlNode& entry, std::span<const Field> known);

  const YamlNode& node_;
  std::string name_;
  std::vector<Problem>& problems_;
  std::vector<std::string_view> meant_;
  bool told_unknown_ = false;
};

/// `true` or `false`, not quoted; false when absent.
bool read_boolean(const YamlFields& fields, std::string_view field);

/// The meaning of a word. `message` is how the refusal of another one goes on, such as "is no mode; write enforce or audit".
template <class T>
std::optional<T> read_choice(const YamlFields& fields, std::string_view field,
                             std::initializer_list<std::pair<std::string_view, T>> words, std::string_view message) {
  const YamlNode* node = fields.find_scalar(field);
  if (node == nullptr) return std::nullopt;
  for (const auto& [word, meaning] : words) {
    if (node->text == word) return meaning;
  }
  return fields.refuse(*node, fields.path(field), message);
}

std::optional<Mode> read_mode(const YamlFields& fields);

std::optional<std::chrono::milliseconds> read_duration(const YamlFields& fields, std::string_view field,
                                                       std::chrono::milliseconds shortest);

struct Bounds {
  std::uint32_t least = 0;
  std::uint32_t most = 0;
};
std::optional<std::uint32_t> read_number(const YamlFields& fields, std::string_view field, Bounds bounds);

/// A scalar of one or more, and how messages call it.
struct NamedScalar {
  const YamlNode* node = nullptr;
  std::string path;
};
/// One scalar, or a list of at least one.
std::vector<NamedScalar> read_one_or_list(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

/// Whether it is a scalar on one line, which is reported otherwise.
bool is_pattern_text(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

/// None when it is refused.
std::optional<Pattern> read_pattern(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

/// One pattern or a list.
std::vector<Pattern> read_patterns(const YamlFields& fields, std::string_view field);

/// One path or a list.
std::vector<NamedPath> read_paths(const YamlFields& fields, std::string_view field);

/// Absolute directories without trailing slashes, each once.
std::vector<std::string> read_directories(const YamlFields& fields, std::string_view field);

/// A text on one line that is not empty, `longest` bytes at most.
std::optional<std::string> read_line(const YamlFields& fields, std::string_view field, std::size_t longest);

/// Whether `text` has control characters, a newline among them.
bool has_control(std::string_view text);

/// Whether a file or folder can have that name: not empty, no control characters, 4096 bytes at most.
bool is_path(std::string_view text);

}  // namespace nswarden
