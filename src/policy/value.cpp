// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/value.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "policy/value_forms.hpp"

namespace nswarden {
namespace {

constexpr std::size_t longest_value = 4096;
constexpr std::string_view decimal_digits = "0123456789";

bool is_control(char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }

bool starts_with_digit(std::string_view word) {
  return !word.empty() && decimal_digits.find(word[0]) != std::string_view::npos;
}

/// Problems of a word that the kernel would take as another number than its reader does (kernel fact 28).
std::optional<std::string> number_problem(std::string_view word) {
  const bool plus = word[0] == '+';
  if (plus || word[0] == '-') word.remove_prefix(1);
  if (!starts_with_digit(word)) return std::nullopt;
  if (word.starts_with("0x") || word.starts_with("0X")) return "a number is in hexadecimal; write it in decimal";
  if (word.find_first_not_of(decimal_digits) != std::string_view::npos) return std::nullopt;
  if (plus) return "a number has a plus sign; write it without";
  if (word.size() > 1 && word[0] == '0') {
    return "a number has a leading zero, so the kernel would read it as octal; write it in decimal, without the zero";
  }
  return std::nullopt;
}

}  // namespace

// No message repeats the value: it may be a secret.
std::optional<std::string> value_text_problem(std::string_view text) {
  if (text.size() > longest_value) return "the value is longer than 4096 bytes";
  if (text.find('\0') != std::string_view::npos) return "the value has a NUL byte in it";
  if (text.find('\n') != std::string_view::npos) return "the value has a newline in it; write it on one line";
  if (std::any_of(text.begin(), text.end(), [](char c) { return c != '\t' && is_control(c); })) {
    return "the value has a control character in it";
  }
  if (next_word(text).empty()) return "the value is empty, and the kernel would ignore it; write the value that is wanted";
  return std::nullopt;
}

std::optional<std::string> value_problem(std::string_view text) {
  if (auto problem = value_text_problem(text)) return problem;
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    if (auto problem = number_problem(word)) return problem;
  }
  return std::nullopt;
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
  std::optional<std::string> read;
  switch (sense.form) {
    case ValueForm::words: break;
    case ValueForm::numbers:
    case ValueForm::milliseconds:
    case ValueForm::clock_ticks: read = numbers_text(text, sense); break;
    case ValueForm::ports: read = ports_text(text); break;
    case ValueForm::ipv6: read = ipv6_text(text); break;
    case ValueForm::mask: read = mask_text(text); break;
    case ValueForm::hex: read = hex_text(text); break;
    case ValueForm::names: read = names_text(text); break;
  }
  return read ? *std::move(read) : normalised(text);
}

bool same_value(std::string_view a, std::string_view b, const ValueSense& sense) {
  if (same_value(a, b)) return true;
  return sense.form != ValueForm::words && canonical(a, sense) == canonical(b, sense);
}

}  // namespace nswarden
