// SPDX-License-Identifier: Apache-2.0
// From one text to a Config, read strictly from YAML (kernel fact 35): every problem of a file is found at once, with its line and
// column, and a file with a problem gives no configuration at all. config_loader.hpp reads those that consist of several files.
// Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// Reads the native form, and the older one, which is a list at the top. Problems come in the order of their positions. Refused
/// besides wrong fields and values: a text that is empty, over 1 MiB, no UTF-8 or without a newline at its end (half written);
/// anchors, aliases, tags, duplicate keys, a second document.
std::variant<Config, std::vector<Problem>> parse_config(std::string_view yaml);

/// Where a text is from.
struct TextPlace {
  enum class Role : std::uint8_t { main, included };
  Role role = Role::main;
  std::uint16_t file = 0;     ///< index into Config::files
  Mode mode = Mode::enforce;  ///< of policies, when neither they nor the text say
};

struct ParsedText {
  Config config;
  Mode mode = Mode::enforce;      ///< that of the text
  std::vector<Problem> problems;  ///< in the order of their positions; the configuration is as far as it could be read
};

/// One text of those that make a configuration.
ParsedText parse_text(std::string_view yaml, const TextPlace& place);

/// The order of positions: by file, line, column.
bool comes_before(const Problem& a, const Problem& b);

/// `FILE:LINE:COL: message`, as `config check` prints it.
std::string format_problem(std::string_view file, const Problem& problem);

}  // namespace nswarden
