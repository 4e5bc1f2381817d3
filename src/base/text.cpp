// SPDX-License-Identifier: Apache-2.0
#include <nswarden/base/text.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace nswarden {
namespace {

constexpr std::chrono::milliseconds longest_duration = std::chrono::hours{24 * 365 * 100};

struct Unit {
  std::string_view suffix;
  std::int64_t milliseconds;
};
/// Longest first: format_duration tries them in this order.
constexpr std::array units{Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1'000}, Unit{"ms", 1}};

constexpr std::uint8_t byte_at(std::string_view bytes, std::size_t index) { return static_cast<std::uint8_t>(bytes[index]); }

constexpr bool is_within(std::uint8_t byte, std::uint8_t first, std::uint8_t last) { return byte >= first && byte <= last; }

/// Length of the UTF-8 sequence at the start of `bytes` (Unicode table 3-7: no overlong forms, no surrogates); 0 if invalid.
std::size_t utf8_length(std::string_view bytes) {
  const std::uint8_t lead = byte_at(bytes, 0);
  if (lead < 0x80) return 1;
  const std::size_t length = is_within(lead, 0xC2, 0xDF) ? 2 : is_within(lead, 0xE0, 0xEF) ? 3 : 4;
  if (!is_within(lead, 0xC2, 0xF4) || bytes.size() < length) return 0;
  const std::uint8_t second_first = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t second_last = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (!is_within(byte_at(bytes, 1), second_first, second_last)) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (!is_within(byte_at(bytes, i), 0x80, 0xBF)) return 0;
  }
  return length;
}

constexpr bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '\\'; }

/// True for a valid UTF-8 sequence that would move, hide or reorder the text around it.
bool is_unsafe(std::string_view sequence) {
  if (sequence.size() == 1) return !is_plain(sequence[0]);
  const std::uint8_t second = byte_at(sequence, 1);
  if (sequence.size() == 2) {
    const bool c1_control = byte_at(sequence, 0) == 0xC2 && second <= 0x9F;
    return c1_control || sequence == "\u061C";
  }
  if (sequence.size() != 3 || byte_at(sequence, 0) != 0xE2) return false;
  const std::uint8_t third = byte_at(sequence, 2);
  // U+200E, U+200F: marks; U+2028, U+2029: separators; U+202A to U+202E and U+2066 to U+2069: embeddings, isolates.
  if (second == 0x80) return is_within(third, 0x8E, 0x8F) || is_within(third, 0xA8, 0xAE);
  return second == 0x81 && is_within(third, 0xA6, 0xA9);
}

void append_escaped(std::string& out, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint8_t byte = byte_at(bytes, i);
    out += "\\x";
    out += digits[byte >> 4U];
    out += digits[byte & 0xFU];
  }
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substituted});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::string printable(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && is_plain(bytes[at])) ++at;
  std::string out(bytes.substr(0, at));
  while (at < bytes.size()) {
    const std::size_t length = utf8_length(bytes.substr(at));
    const std::string_view sequence = bytes.substr(at, std::max<std::size_t>(length, 1));
    if (length == 0 || is_unsafe(sequence)) {
      append_escaped(out, sequence);
    } else {
      out += sequence;
    }
    at += sequence.size();
  }
  return out;
}

std::string printed_text(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t end = std::min(text.find('\\'), text.size());
    out += printable(text.substr(0, end));
    if (end == text.size()) return out;
    out += '\\';
    text.remove_prefix(end + 1);
  }
}

std::string excerpt(std::string_view bytes) {
  constexpr std::size_t longest = 80;
  return printable(bytes.substr(0, longest)) + (bytes.size() > longest ? "..." : "");
}

std::size_t valid_utf8_prefix(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t length = utf8_length(bytes.substr(at));
    if (length == 0) break;
    at += length;
  }
  return at;
}

bool is_valid_utf8(std::string_view bytes) { return valid_utf8_prefix(bytes) == bytes.size(); }

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates) {
  const std::size_t limit = std::max<std::size_t>(1, word.size() / 3);
  std::optional<std::string_view> best;
  std::size_t best_distance = limit + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t longer = std::max(word.size(), candidate.size());
    const std::size_t shorter = std::min(word.size(), candidate.size());
    if (longer - shorter > limit) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || (digits > 1 && text[0] == '0')) return std::nullopt;
  const std::optional<std::int64_t> number = parse_number<std::int64_t>(text.substr(0, digits));
  if (!number) return std::nullopt;
  const std::string_view suffix = text.substr(digits);
  for (const Unit& unit : units) {
    if (unit.suffix != suffix) continue;
    if (*number > longest_duration.count() / unit.milliseconds) return std::nullopt;
    return std::chrono::milliseconds{*number * unit.milliseconds};
  }
  return std::nullopt;
}

std::string format_duration(std::chrono::milliseconds duration) {
  const std::int64_t count = duration.count();
  if (count == 0) return "0s";
  for (const Unit& unit : units) {
    if (count % unit.milliseconds == 0) return std::to_string(count / unit.milliseconds).append(unit.suffix);
  }
  return {};
}

std::string error_text(int error) { return std::generic_category().message(error); }

std::string text_of(const Error& error, std::string_view remedy) {
  std::string text = std::string(error.attempt) + ": " + error_text(error.code);
  return remedy.empty() ? text : text.append("; ").append(remedy);
}

std::string ascii_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view take_until(std::string_view& rest, char delimiter) {
  const std::string_view taken = rest.substr(0, rest.find(delimiter));
  rest.remove_prefix(std::min(taken.size() + 1, rest.size()));
  return taken;
}

}  // namespace nswarden
