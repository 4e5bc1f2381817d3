// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/value.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

constexpr std::size_t longest_value = 4096;
constexpr std::string_view decimal_digits = "0123456789";

bool starts_with_digit(std::string_view word) {
  return !word.empty() && decimal_digits.find(word[0]) != std::string_view::npos;
}

/// Problems of a word that the kernel parses as another number than a reader does (kernel fact 28).
std::optional<std::string> number_problem(std::string_view word) {
  const bool plus = word[0] == '+';
  if (plus || word[0] == '-') word.remove_prefix(1);
  if (!starts_with_digit(word)) return std::nullopt;
  if (word.starts_with("0x") || word.starts_with("0X")) return "a number is in hexadecimal; write it in decimal";
  if (word.find_first_not_of(decimal_digits) != std::string_view::npos) return std::nullopt;
  if (plus) return "a number has a plus sign; remove it";
  if (word.size() > 1 && word[0] == '0') {
    return "a number has a leading zero, so the kernel would read it as octal; write it in decimal, without the zero";
  }
  return std::nullopt;
}

constexpr std::uint64_t max_signed = 0x7FFF'FFFF;
constexpr std::uint64_t max_unsigned = 0xFFFF'FFFF;
// Must fit in 31 bits in kernel ticks, with up to 1000 ticks per second.
constexpr std::uint64_t max_clock_ticks = max_signed / 10;

/// Whether the kernel stores the number without loss, for a key with these traits. Most keys refuse numbers beyond 32 bits with
/// EINVAL; keys stored in ticks keep another number (kernel fact 28).
bool fits(const Number& number, const KeyTraits& traits) {
  if (traits.form == ValueForm::milliseconds) return !number.negative && number.magnitude <= max_signed;
  if (traits.form == ValueForm::clock_ticks) return !number.negative && number.magnitude <= max_clock_ticks;
  if (traits.wide) return !number.negative || number.magnitude <= max_signed;
  return number.magnitude <= (number.negative ? max_signed + 1 : max_unsigned);
}

std::optional<std::string> numbers_problem(std::string_view text, const KeyTraits& traits) {
  std::string_view rest = text;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const auto number = Number::parse(word);
    if (!number) return "invalid value, expected only numbers";
    if (!fits(*number, traits)) return "a number is out of range for the key; the kernel would reject or truncate it";
  }
  return std::nullopt;
}

std::string count_refusal(const KeyTraits& traits, std::size_t count) {
  const std::string expected = traits.numbers == 1 ? "1 number" : std::to_string(traits.numbers) + " numbers";
  return "invalid value, expected " + expected + ", found " + std::to_string(count);
}

/// tcp_fastopen_key: one or two keys of four words each.
bool has_complete_keys(std::string_view text) {
  const auto keys = split(text, ',');
  return keys.size() <= 2 &&
         std::all_of(keys.begin(), keys.end(), [](std::string_view key) { return split(key, '-').size() == 4; });
}

/// Describes the form in messages; empty for words and numbers.
std::string_view expected_of(ValueForm form) {
  switch (form) {
    case ValueForm::ports: return "numbers up to 65535 and ranges, separated by commas without spaces, such as 8080,9000-9010";
    case ValueForm::ipv6: return "an IPv6 address";
    case ValueForm::mask: return "a mask of up to 8 hexadecimal digits, or several such groups separated by commas";
    case ValueForm::hex:
      return "four groups of up to 8 hexadecimal digits separated by dashes, or two such keys separated by a comma";
    default: return {};
  }
}

}  // namespace

// Messages never repeat the value: it may be a secret.
std::optional<std::string> value_text_problem(std::string_view text) {
  if (text.size() > longest_value) return "the value is longer than 4096 bytes";
  if (text.find('\0') != std::string_view::npos) return "the value contains a NUL byte";
  if (text.find('\n') != std::string_view::npos) return "the value contains a newline; write it on one line";
  if (std::any_of(text.begin(), text.end(), [](char c) { return c != '\t' && is_control(c); })) {
    return "the value contains a control character";
  }
  if (next_word(text).empty()) return "the value is empty, and the kernel would ignore it; write the wanted value";
  return std::nullopt;
}

std::optional<std::string> value_problem(std::string_view text) {
  if (auto problem = value_text_problem(text)) return problem;
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    if (auto problem = number_problem(word)) return problem;
  }
  return std::nullopt;
}

std::optional<std::string> value_problem(std::string_view text, const KeyTraits& traits) {
  if (auto problem = value_text_problem(text)) return problem;
  if (const auto expected = expected_of(traits.form); !expected.empty()) {
    const bool is_complete = traits.form != ValueForm::hex || has_complete_keys(text);
    if (is_complete && printed_form(text, {traits.form, {}})) return std::nullopt;
    return "invalid value, expected " + std::string(expected);
  }
  if (auto problem = value_problem(text)) return problem;
  if (traits.form == ValueForm::words || traits.form == ValueForm::names) return std::nullopt;
  if (auto problem = numbers_problem(text, traits)) return problem;
  const std::size_t count = words_in(text).size();
  if (traits.numbers != 0 && count != traits.numbers) return count_refusal(traits, count);
  return std::nullopt;
}

std::optional<std::string> bound_problem(std::string_view text, const KeyTraits& traits) {
  KeyTraits single = traits;
  if (traits.numbers > 1 && words_in(text).size() == 1) single.numbers = 1;
  return value_problem(text, single);
}

std::string normalised(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

std::vector<double> numbers_in(std::string_view text) {
  std::vector<double> numbers;
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    double number = 0;
    const char* const end = word.data() + word.size();
    const auto [parsed, error] = std::from_chars(word.data(), end, number);
    if (error == std::errc() && parsed == end && std::isfinite(number)) numbers.push_back(number);
  }
  return numbers;
}

bool same_value(std::string_view a, std::string_view b) {
  while (true) {
    const std::string_view word = next_word(a);
    if (word != next_word(b)) return false;
    if (word.empty()) return true;
  }
}

std::string canonical(std::string_view text, const ValueSense& sense) {
  auto printed = printed_form(text, sense);
  return printed ? *std::move(printed) : normalised(text);
}

bool same_value(std::string_view a, std::string_view b, const ValueSense& sense) {
  if (same_value(a, b)) return true;
  return sense.form != ValueForm::words && canonical(a, sense) == canonical(b, sense);
}

}  // namespace nswarden
