// SPDX-License-Identifier: Apache-2.0
// The input is a text to display, a duration, and a word with its candidates, one per line.
#include <span>
#include <vector>

#include <nswarden/base/text.hpp>

#include "oracle.hpp"

using namespace nswarden;

namespace {

/// Decodes the next code point arithmetically, independently of core's tables; nullopt if it is not UTF-8.
std::optional<std::uint32_t> next_code_point(std::string_view& rest) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(rest[at]); };
  const std::size_t length = byte(0) < 0x80 ? 1 : byte(0) < 0xC0 ? 0 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
  if (length == 0 || byte(0) >= 0xF8 || length > rest.size()) return std::nullopt;
  std::uint32_t point = length == 1 ? byte(0) : byte(0) & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return std::nullopt;
    point = point << 6U | (byte(i) & 0x3FU);
  }
  constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < smallest[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return std::nullopt;
  rest.remove_prefix(length);
  return point;
}

bool is_harmless(std::uint32_t point) {
  const bool control = point < 0x20 || (point >= 0x7F && point < 0xA0);
  const bool separator = point == 0x2028 || point == 0x2029;
  const bool bidirectional = point == 0x061C || point == 0x200E || point == 0x200F || (point >= 0x202A && point <= 0x202E) ||
                             (point >= 0x2066 && point <= 0x2069);
  return !control && !separator && !bidirectional;
}

/// Inverts printable().
std::string undone(std::string_view shown) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  while (!shown.empty()) {
    if (shown[0] != '\\') {
      out += shown[0];
      shown.remove_prefix(1);
      continue;
    }
    fuzz::require(shown.size() >= 4 && shown[1] == 'x', "a backslash starts a code", shown);
    const std::size_t high = digits.find(shown[2]);
    const std::size_t low = digits.find(shown[3]);
    fuzz::require(high < 16 && low < 16, "a code has two digits", shown);
    out += static_cast<char>(high * 16 + low);
    shown.remove_prefix(4);
  }
  return out;
}

void check_shown(std::string_view text) {
  const std::string shown = printable(text);
  for (std::string_view rest = shown; !rest.empty();) {
    const auto point = next_code_point(rest);
    fuzz::require(point && is_harmless(*point), "what is shown is UTF-8 that moves and hides nothing", text);
  }
  fuzz::require(undone(shown) == text, "what is shown can be told apart", text);

  std::string_view rest = text;
  while (!rest.empty() && next_code_point(rest)) continue;
  fuzz::require(valid_utf8_prefix(text) == text.size() - rest.size(), "the first byte that is no UTF-8 is found", text);
  fuzz::require(is_valid_utf8(text) == rest.empty(), "a text is UTF-8 or not", text);

  const std::string part = excerpt(text);
  fuzz::require(part.size() <= 80 * 4 + 3, "an excerpt is short", text);
  fuzz::require(text.size() > 80 ? part.ends_with("...") : part == shown, "an excerpt tells that it is one", text);
}

void check_duration(std::string_view text) {
  const auto duration = parse_duration(text);
  if (!duration) return;
  const std::size_t digits = text.find_first_not_of("0123456789");
  const std::int64_t number = std::strtoll(std::string(text.substr(0, digits)).c_str(), nullptr, 10);
  const std::string_view unit = text.substr(digits);
  const std::int64_t factor = unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" ? 60'000 : unit == "h" ? 3'600'000 : -1;
  fuzz::require(duration->count() == number * factor, "a duration is a number of units", text);
  fuzz::require(duration->count() >= 0 && *duration <= std::chrono::hours{24 * 365 * 100}, "a duration can be added", text);
  const std::string shown = format_duration(*duration);
  fuzz::require(parse_duration(shown) == duration, "a duration is read back", text);
  fuzz::require(shown.size() <= text.size(), "a duration is shown in its shortest form", text);
  fuzz::require(!parse_duration(std::string(text) + " "), "nothing follows a duration", text);
  fuzz::require(!parse_duration("0" + std::string(text)), "nothing leads a duration", text);
}

/// Any number of milliseconds up to the longest survives formatting and parsing.
void check_milliseconds(std::string_view text) {
  std::uint64_t number = 0;
  for (const char c : text.substr(0, 8)) number = number << 8U | static_cast<std::uint8_t>(c);
  constexpr std::uint64_t longest = std::uint64_t{1000} * 60 * 60 * 24 * 365 * 100;
  const std::chrono::milliseconds duration{static_cast<std::int64_t>(number % (longest + 1))};
  fuzz::require(parse_duration(format_duration(duration)) == duration, "milliseconds are read back", text);
}

void check_nearest(std::string_view word, std::string_view list) {
  // Suggestions only concern short words, and the time is quadratic in their length.
  word = word.substr(0, 16);
  std::vector<std::string_view> candidates;
  while (!list.empty() && candidates.size() < 4) candidates.push_back(fuzz::next_part(list, '\n').substr(0, 16));
  const auto found = nearest(word, candidates);
  const auto at = std::find(candidates.begin(), candidates.end(), word);
  if (at != candidates.end()) fuzz::require(found == word, "a word is nearest to itself", word);
  if (found) {
    fuzz::require(std::find(candidates.begin(), candidates.end(), *found) != candidates.end(), "one of them is found", word);
  }
  // A missing letter and two swapped letters are always close enough.
  if (candidates.empty() || candidates[0].size() < 2) return;
  std::string misspelt(candidates[0]);
  std::swap(misspelt[0], misspelt[1]);
  const std::span only(candidates.data(), 1);
  fuzz::require(nearest(misspelt, only) == candidates[0], "a word with two letters swapped is found", misspelt);
  fuzz::require(nearest(candidates[0].substr(1), only) == candidates[0], "a word without a letter is found", misspelt);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  check_shown(text);
  check_milliseconds(text);
  std::string_view rest = text;
  const std::string_view first = fuzz::next_part(rest, '\n');
  check_duration(first);
  check_nearest(first, rest);
  return 0;
}
