// SPDX-License-Identifier: Apache-2.0
#include "policy/value_forms.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

constexpr std::string_view white_space = " \t\n\v\f\r";

/// Unsigned decimal without leading zeros.
std::optional<std::uint64_t> decimal_number(std::string_view digits) {
  if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
  return parse_number<std::uint64_t>(digits);
}

/// A hexadecimal number of at most `longest` digits.
std::optional<std::uint32_t> hex_number(std::string_view digits, std::size_t longest) {
  if (digits.size() > longest) return std::nullopt;
  return parse_number<std::uint32_t>(digits, 16);
}

/// Ticks per second from the length of one tick; 0 when unknown.
std::uint64_t hertz(std::chrono::nanoseconds tick) {
  constexpr std::uint64_t second = 1'000'000'000;
  if (tick.count() <= 0) return 0;
  const auto length = static_cast<std::uint64_t>(tick.count());
  return length > second ? 0 : (second + length / 2) / length;
}

/// msecs_to_jiffies() followed by jiffies_to_msecs(): rounds up to a multiple of the tick.
std::uint64_t rounded_milliseconds(std::uint64_t milliseconds, std::uint64_t hz) {
  return (milliseconds * hz + 999) / 1000 * 1000 / hz;
}

/// clock_t_to_jiffies() followed by jiffies_to_clock_t(): rounds down twice.
std::uint64_t rounded_ticks(std::uint64_t ticks, std::uint64_t hz) {
  constexpr std::uint64_t user_hz = 100;
  return ticks * hz / user_hz * user_hz / hz;
}

std::uint64_t rounded(std::uint64_t value, ValueForm form, std::uint64_t hz) {
  constexpr std::uint64_t max_value = 0xFFFF'FFFF;  // the kernel refuses or truncates larger numbers
  if (hz == 0 || value > max_value) return value;
  if (form == ValueForm::milliseconds) return rounded_milliseconds(value, hz);
  if (form != ValueForm::clock_ticks) return value;
  const std::uint64_t once = rounded_ticks(value, hz);
  // With HZ=1024 a value that is read and written repeatedly sinks to 0, so all values would compare equal there.
  return rounded_ticks(once, hz) == once ? once : value;
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> port_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = decimal_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : decimal_number(text.substr(dash + 1));
  if (!first || !last || *last < *first || *last > 65535) return std::nullopt;
  return std::pair(*first, *last);
}

/// The last 32 bits of an IPv6 address, as a.b.c.d.
std::optional<std::uint32_t> ipv4_bits(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  std::uint32_t bits = 0;
  for (const std::string_view part : parts) {
    const auto byte = decimal_number(part);
    if (!byte || *byte > 255) return std::nullopt;
    bits = bits << 8U | static_cast<std::uint32_t>(*byte);
  }
  return bits;
}

/// The 16-bit groups of a part of an IPv6 address without `::`.
std::optional<std::vector<std::uint32_t>> ipv6_groups(std::string_view text) {
  std::vector<std::uint32_t> groups;
  if (text.empty()) return groups;
  const auto parts = split(text, ':');
  for (const std::string_view& part : parts) {
    if (part.find('.') != std::string_view::npos) {
      const auto bits = ipv4_bits(part);
      if (!bits || &part != &parts.back()) return std::nullopt;
      groups.push_back(*bits >> 16U);
      groups.push_back(*bits & 0xFFFFU);
      return groups;
    }
    const auto group = hex_number(part, 4);
    if (!group) return std::nullopt;
    groups.push_back(*group);
  }
  return groups;
}

std::optional<std::string> numbers_text(std::string_view text, const ValueSense& sense) {
  const std::uint64_t hz = hertz(sense.tick);
  std::string out;
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    auto number = Number::parse(word);
    if (!number) return std::nullopt;
    if (!number->negative) number->magnitude = rounded(number->magnitude, sense.form, hz);
    out += (out.empty() ? "" : " ") + number->text();
  }
  return out;
}

/// As proc_do_large_bitmap() prints it: ordered ranges that neither touch nor overlap.
std::optional<std::string> ports_text(std::string_view text) {
  const std::string_view list = next_word(text);
  if (!next_word(text).empty()) return std::nullopt;
  if (list.empty()) return std::string{};  // no ports
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const std::string_view part : split(list, ',')) {
    const auto range = port_range(part);
    if (!range) return std::nullopt;
    ranges.push_back(*range);
  }
  std::sort(ranges.begin(), ranges.end());
  std::string out;
  for (std::size_t i = 0; i < ranges.size();) {
    auto [first, last] = ranges[i];
    for (++i; i < ranges.size() && ranges[i].first <= last + 1; ++i) last = std::max(last, ranges[i].second);
    if (!out.empty()) out += ',';
    out += std::to_string(first);
    if (last != first) out += "-" + std::to_string(last);
  }
  return out;
}

/// As "%pI6" prints it: with all zeros.
std::optional<std::string> ipv6_text(std::string_view text) {
  constexpr std::size_t all = 8;
  const std::string_view address = next_word(text);
  if (!next_word(text).empty()) return std::nullopt;
  const std::size_t gap = address.find("::");
  auto groups = ipv6_groups(address.substr(0, gap));
  if (!groups) return std::nullopt;
  if (gap != std::string_view::npos) {
    const bool dotted_before_gap = address.substr(0, gap).find('.') != std::string_view::npos;
    const auto after = ipv6_groups(address.substr(gap + 2));
    if (!after || dotted_before_gap || groups->size() + after->size() >= all) return std::nullopt;
    groups->resize(all - after->size());
    groups->insert(groups->end(), after->begin(), after->end());
  }
  if (groups->size() != all) return std::nullopt;
  return fmt::format("{:04x}", fmt::join(*groups, ":"));
}

/// 32-bit words, highest first. The number of leading zeros that the kernel prints depends on the size of its bitmap.
std::optional<std::string> mask_text(std::string_view text) {
  const std::string_view mask = next_word(text);
  if (mask.empty() || !next_word(text).empty()) return std::nullopt;
  std::string out;
  for (const std::string_view part : split(mask, ',')) {
    const auto word = hex_number(part, 8);
    if (!word) return std::nullopt;
    if (!out.empty()) {
      out += fmt::format(",{:08x}", *word);
    } else if (*word != 0) {
      out = fmt::format("{:x}", *word);
    }
  }
  return out.empty() ? "0" : out;
}

/// As the kernel prints tcp_fastopen_key: four 32-bit words per key.
std::optional<std::string> hex_text(std::string_view text) {
  const std::string_view keys = next_word(text);
  if (keys.empty() || !next_word(text).empty()) return std::nullopt;
  std::string out;
  for (const std::string_view key : split(keys, ',')) {
    if (!out.empty()) out += ',';
    for (const std::string_view word : split(key, '-')) {
      const auto bits = hex_number(word, 8);
      if (!bits) return std::nullopt;
      out += fmt::format("{}{:08x}", word.data() == key.data() ? "" : "-", *bits);
    }
  }
  return out;
}

std::string names_text(std::string_view text) {
  std::vector<std::string_view> names = words_in(text);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return fmt::format("{}", fmt::join(names, " "));
}

}  // namespace

std::string_view next_word(std::string_view& rest) {
  const std::size_t begin = std::min(rest.find_first_not_of(white_space), rest.size());
  const std::size_t end = std::min(rest.find_first_of(white_space, begin), rest.size());
  const std::string_view word = rest.substr(begin, end - begin);
  rest.remove_prefix(end);
  return word;
}

std::vector<std::string_view> words_in(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) words.push_back(word);
  return words;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end = text.find(separator); end != std::string_view::npos; end = text.find(separator)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

std::optional<Number> Number::parse(std::string_view word) {
  const bool minus = word.starts_with('-');
  if (minus) word.remove_prefix(1);
  const auto magnitude = decimal_number(word);
  if (!magnitude) return std::nullopt;
  return Number{minus && *magnitude != 0, *magnitude};
}

std::string Number::text() const { return (negative ? "-" : "") + std::to_string(magnitude); }

std::optional<std::string> printed_form(std::string_view text, const ValueSense& sense) {
  switch (sense.form) {
    case ValueForm::words: break;
    case ValueForm::numbers:
    case ValueForm::milliseconds:
    case ValueForm::clock_ticks: return numbers_text(text, sense);
    case ValueForm::ports: return ports_text(text);
    case ValueForm::ipv6: return ipv6_text(text);
    case ValueForm::mask: return mask_text(text);
    case ValueForm::hex: return hex_text(text);
    case ValueForm::names: return names_text(text);
  }
  return std::nullopt;
}

}  // namespace nswarden
