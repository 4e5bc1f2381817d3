// SPDX-License-Identifier: Apache-2.0
// YAML as a strict tree of strings: every scalar as written, and every node with its position. YAML features that a
// configuration does not need (anchors, tags, merge keys, directives, further documents) are problems, never surprises (kernel
// fact 35). Only yaml_tree.cpp uses yaml-cpp and catches its exceptions. Pure, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Maximum size of a text in bytes.
constexpr std::size_t max_config_size = std::size_t{1} << 20;

struct YamlNode {
  enum class Kind : std::uint8_t {
    null,  ///< empty, `~` or `null`, unquoted
    scalar,
    list,
    mapping,
    refused,  ///< already reported as a problem
  };
  Kind kind = Kind::null;
  bool quoted = false;  ///< a quoted scalar, or a block scalar
  Position position;    ///< for a null in a mapping, the position of its key
  std::string text;     ///< of a scalar, with quotes and escapes resolved; may hold any character
  std::vector<YamlNode> children;

  std::string key;  ///< key of a mapping entry, unique in the mapping
  Position key_position;
};

struct YamlTree {
  std::optional<YamlNode> root;   ///< empty when parsing did not reach the end of the text
  std::vector<Problem> problems;  ///< in the order found
};

/// Checks the size and start of a text; the problem has no file.
std::optional<Problem> text_start_problem(std::string_view text);

/// Why a byte is invalid in a text: a NUL, a carriage return, another control character, or a byte that is not UTF-8.
std::string byte_problem(char byte);

/// Columns count bytes. `file` is the file index of all positions.
YamlTree parse_yaml(std::string_view text, std::uint16_t file = 0);

}  // namespace nswarden
