// SPDX-License-Identifier: Apache-2.0
// The kernel's tick, to which it rounds some values (kernel fact 28).
#pragma once

#include <chrono>

namespace nswarden {

/// 1 s / HZ; 0 when it cannot be told.
std::chrono::nanoseconds kernel_tick();

}  // namespace nswarden
