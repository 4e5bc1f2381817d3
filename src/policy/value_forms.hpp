// SPDX-License-Identifier: Apache-2.0
// The forms of values: each reads a text and prints it as the kernel would, or gives none where the text is not of that form. For
// value.cpp and want.cpp. Pure, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nswarden {

/// How values of a key are written: decides which texts mean the same (kernel fact 28). Of each key: key_traits.hpp.
enum class ValueForm : std::uint8_t {
  words,         ///< not known, or nothing special: words with any white space between them
  numbers,       ///< decimal numbers, possibly negative
  milliseconds,  ///< rounded up to the kernel's tick
  clock_ticks,   ///< hundredths of a second, rounded down through the kernel's tick
  ports,         ///< numbers and ranges, in any order: 8080,8081 is 8080-8081
  ipv6,          ///< one address, in any of its spellings
  mask,          ///< hexadecimal words with commas: 00000000,00000003 is 3
  hex,           ///< groups of hexadecimal digits, `-` and `,` between them
  names,         ///< words in any order
};

/// What comparing takes besides the two values.
struct ValueSense {
  ValueForm form = ValueForm::words;
  std::chrono::nanoseconds tick{0};  ///< the kernel's, 1 s / HZ; 0: not known, so that nothing is rounded
};

/// Takes the next word off the front of `rest`; empty when there is none left.
std::string_view next_word(std::string_view& rest);

std::vector<std::string_view> words_in(std::string_view text);

/// A text with n separators has n + 1 parts, however empty.
std::vector<std::string_view> split(std::string_view text, char separator);

/// A number as the kernel has them: from -(2^64 - 1) to 2^64 - 1, so that neither its signed nor its unsigned ones overflow.
struct Number {
  bool negative = false;  ///< never of 0
  std::uint64_t magnitude = 0;

  /// Decimal, without plus and leading zeros; "-0", which the kernel prints of small clock ticks, is 0.
  static std::optional<Number> parse(std::string_view word);
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Number&, const Number&) = default;
  friend bool operator<(const Number& a, const Number& b) {
    if (a.negative != b.negative) return a.negative;
    return a.negative ? b.magnitude < a.magnitude : a.magnitude < b.magnitude;
  }
};

/// The text as the kernel would print it; none where it is not of the form, and always for ValueForm::words.
std::optional<std::string> printed_form(std::string_view text, const ValueSense& sense);

}  // namespace nswarden
