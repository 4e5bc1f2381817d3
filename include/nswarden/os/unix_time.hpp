// SPDX-License-Identifier: Apache-2.0
// The wall clock, for times that are shown; nothing is computed from it, since it may jump. In a file of its own, so that the includes show
// who reads it. Any thread.
#pragma once

#include <chrono>

namespace nswarden {

/// Seconds.
inline double unix_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace nswarden
