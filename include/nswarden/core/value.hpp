// SPDX-License-Identifier: Apache-2.0
// Values of sysctls: what a policy may want, and when what the kernel prints is that. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nswarden::core {

/// Why `text` cannot be meant as a value (kernel fact 28), ready to print; none when it is fine. Refused: empty, NUL, newline,
/// control bytes other than tab, over 4096 bytes, and any number among its words written with a leading zero, `0x` or `+`.
std::optional<std::string> value_problem(std::string_view text);

/// Words separated by single spaces, nothing before or after: how values are compared and shown. The kernel separates the
/// numbers of a vector by tabs and ends a value with a newline (kernel fact 28).
std::string normalised(std::string_view text);

/// normalised(a) == normalised(b), without allocating.
bool same_value(std::string_view a, std::string_view b);

}  // namespace nswarden::core
