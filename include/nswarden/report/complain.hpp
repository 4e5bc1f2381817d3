// SPDX-License-Identifier: Apache-2.0
// What a one-shot command has to say besides its report: one line on stderr.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

namespace nswarden {

inline void complain(std::string_view line) { fmt::print(stderr, "nswarden: {}\n", line); }

}  // namespace nswarden
