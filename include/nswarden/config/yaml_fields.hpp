// SPDX-License-Identifier: Apache-2.0
// The fields of a mapping, by name. The constructor reports unknown fields, with the most similar known one. Also reads value
// shapes that many fields share: booleans, modes, durations, one or a list. An absent field yields an empty value or the
// reader's default. Appends every problem to the given list. Pure, any thread.
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

/// A known field.
struct Field {
  std::string_view name;
  std::string_view shape{};        ///< shape of its value, defined in config_schema.cpp; empty when the schema omits the field
  std::string_view description{};  ///< a sentence
};

/// Checks the kind of `node` and reports a mismatch, unless the node is already reported. `path` names it in the message.
bool is_kind(const YamlNode& node, YamlNode::Kind kind, std::string_view path, std::vector<Problem>& problems);

/// The name of a kind of node in messages: "a list".
std::string_view to_string(YamlNode::Kind kind);

class YamlFields {
 public:
  /// `node` is a mapping and outlives this object. `name` names it in messages; empty at the top of the file.
  YamlFields(const YamlNode& node, std::string name, std::span<const Field> known, std::vector<Problem>& problems);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Position position() const { return node_.position; }
  /// The list for all problems of this mapping.
  [[nodiscard]] std::vector<Problem>& problems() const { return problems_; }
  /// Whether the mapping has an unknown field, which may be a misspelling of a missing one.
  [[nodiscard]] bool has_unknown_field() const { return has_unknown_field_; }
  [[nodiscard]] std::string path(std::string_view field) const;
  /// Null when the field is absent.
  [[nodiscard]] const YamlNode* find(std::string_view field) const;
  /// Null when the field is absent or of another kind; reports the latter.
  [[nodiscard]] const YamlNode* find_scalar(std::string_view field) const;
  /// Reports the problem `PATH: invalid NOUN "TEXT", expected EXPECTED` of a scalar.
  std::nullopt_t refuse(const YamlNode& scalar, std::string_view path, std::string_view noun, std::string_view expected) const;
  /// Like find(), but reports an absent field, unless an unknown field was probably a misspelling of it.
  const YamlNode* require(std::string_view field, std::string_view remedy) const;

 private:
  void refuse_unknown(const YamlNode& entry, std::span<const Field> known);

  const YamlNode& node_;
  std::string name_;
  std::vector<Problem>& problems_;
  std::vector<std::string_view> suggested_;
  bool has_unknown_field_ = false;
};

/// `true` or `false`, unquoted; false when absent.
bool read_boolean(const YamlFields& fields, std::string_view field);

/// Maps a word to its value. `noun` and `expected` are as for refuse(): "mode", "enforce or audit".
template <class T>
std::optional<T> read_choice(const YamlFields& fields, std::string_view field,
                             std::initializer_list<std::pair<std::string_view, T>> words, std::string_view noun,
                             std::string_view expected) {
  const YamlNode* node = fields.find_scalar(field);
  if (node == nullptr) return std::nullopt;
  for (const auto& [word, meaning] : words) {
    if (node->text == word) return meaning;
  }
  return fields.refuse(*node, fields.path(field), noun, expected);
}

std::optional<Mode> read_mode(const YamlFields& fields);

std::optional<std::chrono::milliseconds> read_duration(const YamlFields& fields, std::string_view field,
                                                       std::chrono::milliseconds shortest);

struct Bounds {
  std::uint32_t min = 0;
  std::uint32_t max = 0;
};
std::optional<std::uint32_t> read_number(const YamlFields& fields, std::string_view field, Bounds bounds);

/// One scalar and its name in messages.
struct NamedScalar {
  const YamlNode* node = nullptr;
  std::string path;
};
/// Reads one scalar, or a list of at least one.
std::vector<NamedScalar> read_one_or_list(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

/// Whether the node is a scalar on one line; reports a problem otherwise.
bool is_pattern_text(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

/// Empty optional when the pattern is refused.
std::optional<Pattern> read_pattern(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

/// One pattern or a list.
std::vector<Pattern> read_patterns(const YamlFields& fields, std::string_view field);

/// One path or a list.
std::vector<NamedPath> read_paths(const YamlFields& fields, std::string_view field);

/// Reads absolute directories, without trailing slashes and duplicates.
std::vector<std::string> read_directories(const YamlFields& fields, std::string_view field);

/// Reads a non-empty text on one line, of at most `longest` bytes.
std::optional<std::string> read_line(const YamlFields& fields, std::string_view field, std::size_t longest);

/// Whether `text` has a control character, including a newline.
bool has_control(std::string_view text);

/// Whether `text` can be the path of a file or folder: not empty, no control characters, at most 4096 bytes.
bool is_path(std::string_view text);

}  // namespace nswarden
