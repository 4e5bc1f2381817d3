// SPDX-License-Identifier: Apache-2.0
// Values of sysctls: valid values for policies, and their comparison with values that the kernel prints. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/policy/key_traits.hpp>
#include "policy/value_forms.hpp"

namespace nswarden {

/// The same text for all texts with the same meaning; a text without the form is only normalised.
std::string canonical(std::string_view text, const ValueSense& sense);

/// canonical(a) == canonical(b), without allocating for equal texts.
bool same_value(std::string_view a, std::string_view b, const ValueSense& sense);

/// Why no key can have `text` as its value, ready to print: empty, NUL, newline, control bytes other than tab, over 4096 bytes.
std::optional<std::string> value_text_problem(std::string_view text);

/// Why `text` is not a valid value for a key without known traits (kernel fact 28). Refuses the problems of
/// value_text_problem() and any number with a leading zero, `0x` or `+`.
std::optional<std::string> value_problem(std::string_view text);

/// Why `text` is not a valid value for a key with these traits (kernel fact 28), ready to print. Never repeats the value, which
/// may be a secret. Refuses the problems of value_text_problem(), a wrong count of numbers, words in place of numbers, numbers
/// that the kernel would truncate, and malformed port lists, addresses, masks and keys.
std::optional<std::string> value_problem(std::string_view text, const KeyTraits& traits);

/// Like value_problem(), for a bound, which may also be a single number for all numbers of the value.
std::optional<std::string> bound_problem(std::string_view text, const KeyTraits& traits);

/// Words separated by single spaces, without leading or trailing space: the form for comparison and display. The kernel
/// separates the numbers of a vector by tabs and ends a value with a newline (kernel fact 28).
std::string normalised(std::string_view text);

/// The words that are decimal numbers, in order.
std::vector<double> numbers_in(std::string_view text);

/// normalised(a) == normalised(b), without allocating.
bool same_value(std::string_view a, std::string_view b);

}  // namespace nswarden
