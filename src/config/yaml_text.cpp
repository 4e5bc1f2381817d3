// SPDX-License-Identifier: Apache-2.0
#include "config/yaml_text.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view decimal = "0123456789";

bool is_one_of(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

/// Words that YAML 1.1 or 1.2 takes for something else than a text.
bool is_reserved(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  constexpr std::array<std::string_view, 9> words{"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  return std::find(words.begin(), words.end(), lower) != words.end();
}

bool needs_no_quotes(std::string_view text) {
  // A key of sysctl.d(5) may start with a minus.
  const std::string_view start = text.substr(text.starts_with('-') ? 1 : 0);
  if (start.empty() || !(is_one_of(letters, start[0]) || is_one_of("_/^", start[0]))) return false;
  const auto is_harmless = [](char c) { return is_one_of(letters, c) || is_one_of(decimal, c) || is_one_of("_./-^$*+", c); };
  return std::all_of(start.begin(), start.end(), is_harmless) && !is_reserved(text);
}

bool is_decimal(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of(decimal) != std::string_view::npos) return false;
  return text.size() == 1 || text[0] != '0';
}

std::size_t length_of_character(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

/// The number of a character of UTF-8.
std::uint32_t code_point(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return lead;
  std::uint32_t code = lead & (0x7FU >> character.size());
  for (const char c : character.substr(1)) code = code << 6U | (static_cast<unsigned char>(c) & 0x3FU);
  return code;
}

std::string escaped(std::string_view character) {
  switch (character[0]) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\t': return "\\t";
    default: break;
  }
  // What printable() leaves alone neither moves nor hides; a byte order mark it leaves alone too.
  const std::uint32_t code = code_point(character);
  if (code != 0xFEFF && printable(character) == character) return std::string(character);
  if (code <= 0xFF) return fmt::format("\\x{:02x}", code);
  return code <= 0xFFFF ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = std::min(length_of_character(text[0]), text.size());
    out += escaped(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out + '"';
}

}  // namespace

std::string yaml_text(std::string_view text) { return needs_no_quotes(text) ? std::string(text) : quoted(text); }

std::string yaml_value(std::string_view value) { return is_decimal(value) ? std::string(value) : yaml_text(value); }

}  // namespace nswarden
