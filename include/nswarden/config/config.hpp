// SPDX-License-Identifier: Apache-2.0
// Parses one YAML text into a Config, strictly (kernel fact 35). Finds every problem of a file in one pass, with line and
// column; a file with a problem yields no configuration. config_loader.hpp loads configurations of several files. Pure, any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// Parses the native form, and the older form, whose top level is a list. Problems are in order of position. Besides wrong
/// fields and values, refuses a text that is empty, over 1 MiB, not UTF-8 or without a final newline (half written), and
/// anchors, aliases, tags, duplicate keys and a second document.
std::variant<Config, std::vector<Problem>> parse_config(std::string_view yaml);

/// The origin of a text.
struct TextPlace {
  enum class Role : std::uint8_t { main, included };
  Role role = Role::main;
  std::uint16_t file = 0;     ///< index into Config::files
  Mode mode = Mode::enforce;  ///< default for policies, unless the text has a mode
};

struct ParsedText {
  Config config;
  Mode mode = Mode::enforce;      ///< the mode of the text
  std::vector<Problem> problems;  ///< in order of position; with problems, the configuration is partial
};

/// Parses one of the texts of a configuration.
ParsedText parse_text(std::string_view yaml, const TextPlace& place);

/// Orders problems by position: file, line, column.
bool precedes(const Problem& a, const Problem& b);

/// `FILE:LINE:COL: message`, as `config check` prints it.
std::string format_problem(std::string_view file, const Problem& problem);

}  // namespace nswarden
