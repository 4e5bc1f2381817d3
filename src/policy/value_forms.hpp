// SPDX-License-Identifier: Apache-2.0
// Forms of values. Each form parses a text and prints it as the kernel would, or returns an empty optional when the text does
// not have that form. Used by value.cpp and want.cpp. Pure, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nswarden {

/// The notation of a key's values; decides which texts are equal (kernel fact 28). key_traits.hpp has the form of each key.
enum class ValueForm : std::uint8_t {
  words,         ///< unknown or plain: words separated by any white space
  numbers,       ///< decimal numbers, possibly negative
  milliseconds,  ///< rounded up to the kernel's tick
  clock_ticks,   ///< hundredths of a second, rounded down through the kernel's tick
  ports,         ///< numbers and ranges, in any order: 8080,8081 is 8080-8081
  ipv6,          ///< one address, in any notation
  mask,          ///< hexadecimal words separated by commas: 00000000,00000003 is 3
  hex,           ///< groups of hexadecimal digits, separated by `-` and `,`
  names,         ///< words in any order
};

/// Context for comparing two values.
struct ValueSense {
  ValueForm form = ValueForm::words;
  std::chrono::nanoseconds tick{0};  ///< the kernel's tick, 1 s / HZ; 0: unknown, no rounding
};

/// Removes and returns the first word of `rest`; returns an empty view at the end.
std::string_view next_word(std::string_view& rest);

std::vector<std::string_view> words_in(std::string_view text);

/// A text with n separators has n + 1 parts; parts may be empty.
std::vector<std::string_view> split(std::string_view text, char separator);

/// A number in the range of the kernel's types, -(2^64 - 1) to 2^64 - 1, so that neither signed nor unsigned values overflow.
struct Number {
  bool negative = false;  ///< never for 0
  std::uint64_t magnitude = 0;

  /// Parses decimal digits without a plus or leading zeros. "-0", which the kernel prints for small clock ticks, is 0.
  static std::optional<Number> parse(std::string_view word);
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Number&, const Number&) = default;
  friend bool operator<(const Number& a, const Number& b) {
    if (a.negative != b.negative) return a.negative;
    return a.negative ? b.magnitude < a.magnitude : a.magnitude < b.magnitude;
  }
};

/// The text as the kernel would print it; empty optional when the text does not have the form, and always for ValueForm::words.
std::optional<std::string> printed_form(std::string_view text, const ValueSense& sense);

}  // namespace nswarden
