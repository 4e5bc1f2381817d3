// SPDX-License-Identifier: Apache-2.0
// YAML as a strict tree of strings: every scalar as it is written, each node with its place. What YAML allows and a
// configuration does not need (anchors, tags, merge keys, directives, further documents) is a problem, never a surprise
// (kernel fact 35). yaml_tree.cpp is the only file that knows yaml-cpp, and its exceptions end there. Pure, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Largest text that is read at all, bytes.
constexpr std::size_t max_config_size = std::size_t{1} << 20;

struct YamlNode {
  enum class Kind : std::uint8_t {
    null,  ///< nothing, `~` or `null`, not quoted
    scalar,
    list,
    mapping,
    refused,  ///< its problem is already told
  };
  Kind kind = Kind::null;
  bool quoted = false;  ///< a scalar in quotes, or a block scalar
  Position where;       ///< of a null in a mapping: that of its key
  std::string text;     ///< of a scalar, quotes and escapes resolved: may hold any character
  std::vector<YamlNode> children;

  std::string key;  ///< of an entry of a mapping, unique in it
  Position key_where;
};

struct YamlTree {
  std::optional<YamlNode> root;   ///< none when the text could not be read to its end
  std::vector<Problem> problems;  ///< in the order found
};

/// Why a text is refused for its size or start; without a file.
std::optional<Problem> text_start_problem(std::string_view text);

/// Why a byte has no place in a text: a NUL, a carriage return, another control character, or a byte that is not UTF-8.
std::string byte_problem(char byte);

/// Columns count bytes. `file` is that of all positions.
YamlTree parse_yaml(std::string_view text, std::uint16_t file = 0);

}  // namespace nswarden
