// SPDX-License-Identifier: Apache-2.0
// One text of the configuration, for parse_config() and load_config(). Pure, any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <nswarden/config/config.hpp>

namespace nswarden {

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

ParsedText parse_text(std::string_view yaml, const TextPlace& place);

/// The order of positions: by file, line, column.
bool comes_before(const Problem& a, const Problem& b);

}  // namespace nswarden
