// SPDX-License-Identifier: Apache-2.0
// Values of sysctls: what a policy may want, and when what the kernel prints is that. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/policy/key_traits.hpp>
#include "policy/value_forms.hpp"

namespace nswarden {

/// The same text for all texts of the same meaning; what is not of that form is normalised only.
std::string canonical(std::string_view text, const ValueSense& sense);

/// canonical(a) == canonical(b); equal texts cost no allocation.
bool same_value(std::string_view a, std::string_view b, const ValueSense& sense);

/// Why no key at all can have `text` as its value, ready to print: empty, NUL, newline, control bytes other than tab, over 4096 bytes.
std::optional<std::string> value_text_problem(std::string_view text);

/// Why `text` cannot be meant as a value of a key of which nothing is known (kernel fact 28). Refused: what value_text_problem()
/// refuses, and any number among its words written with a leading zero, `0x` or `+`.
std::optional<std::string> value_problem(std::string_view text);

/// Why `text` cannot be meant as the value of a key with such traits (kernel fact 28), ready to print; it never repeats the value,
/// which may be a secret. Refused beside what value_text_problem() refuses: a wrong count of numbers, something else where numbers
/// are wanted, numbers that the kernel would cut, lists of ports, addresses, masks and keys that are malformed.
std::optional<std::string> value_problem(std::string_view text, const KeyTraits& traits);

/// The same for a bound, which may be a single number for each of the value's.
std::optional<std::string> bound_problem(std::string_view text, const KeyTraits& traits);

/// Words separated by single spaces, nothing before or after: how values are compared and shown. The kernel separates the
/// numbers of a vector by tabs and ends a value with a newline (kernel fact 28).
std::string normalised(std::string_view text);

/// Its words that are decimal numbers, in order.
std::vector<double> numbers_in(std::string_view text);

/// normalised(a) == normalised(b), without allocating.
bool same_value(std::string_view a, std::string_view b);

}  // namespace nswarden
