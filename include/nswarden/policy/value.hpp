// SPDX-License-Identifier: Apache-2.0
// Values of sysctls: what a policy may want, and when what the kernel prints is that. Pure, any thread.
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

/// The same text for all texts of the same meaning; what is not of that form is normalised only.
std::string canonical(std::string_view text, const ValueSense& sense);

/// canonical(a) == canonical(b); equal texts cost no allocation.
bool same_value(std::string_view a, std::string_view b, const ValueSense& sense);

/// Why no key at all can have `text` as its value, ready to print: empty, NUL, newline, control bytes other than tab, over 4096 bytes.
std::optional<std::string> value_text_problem(std::string_view text);

/// Why `text` cannot be meant as a value of a key of which nothing is known (kernel fact 28). Refused: what value_text_problem()
/// refuses, and any number among its words written with a leading zero, `0x` or `+`.
std::optional<std::string> value_problem(std::string_view text);

/// Words separated by single spaces, nothing before or after: how values are compared and shown. The kernel separates the
/// numbers of a vector by tabs and ends a value with a newline (kernel fact 28).
std::string normalised(std::string_view text);

/// Its words that are decimal numbers, in order.
std::vector<double> numbers_in(std::string_view text);

/// normalised(a) == normalised(b), without allocating.
bool same_value(std::string_view a, std::string_view b);

}  // namespace nswarden
