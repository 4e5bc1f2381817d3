// SPDX-License-Identifier: Apache-2.0
// How many open files bound netns may hold (kernel fact 20): the limit less what HTTP connections (some 600), watches, logs, writes that
// wait in the slow writer, writers of drifts and one netns being entered need.
#pragma once

#include <algorithm>
#include <cstddef>

namespace nswarden {

constexpr std::size_t fd_budget(std::size_t limit) { return limit - std::min<std::size_t>(limit / 2, 1024); }

}  // namespace nswarden
