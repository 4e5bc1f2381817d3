// SPDX-License-Identifier: Apache-2.0
// The forms of values, one by one: each reads a text and prints it as the kernel would. None where the text is not of that form.
// Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nswarden/policy/value.hpp>

namespace nswarden {

/// Takes the next word off the front of `rest`; empty when there is none left.
std::string_view next_word(std::string_view& rest);

/// Takes what stands before the first `separator` off the front of `rest`, and the separator; none when nothing is left of `rest`.
/// A text with n separators has n + 1 parts, however empty.
class Parts {
 public:
  Parts(std::string_view text, char separator) : rest_(text), separator_(separator) {}
  std::optional<std::string_view> next();

 private:
  std::optional<std::string_view> rest_;
  char separator_;
};

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

/// A number in hexadecimal digits, at most so many of them.
std::optional<std::uint32_t> hex_number(std::string_view digits, std::size_t longest);

std::optional<std::string> numbers_text(std::string_view text, const ValueSense& sense);
std::optional<std::string> ports_text(std::string_view text);
std::optional<std::string> ipv6_text(std::string_view text);
std::optional<std::string> mask_text(std::string_view text);
std::optional<std::string> hex_text(std::string_view text);
std::string names_text(std::string_view text);

}  // namespace nswarden
