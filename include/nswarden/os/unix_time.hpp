// SPDX-License-Identifier: Apache-2.0
// What is shown of times, never what is counted with: the wall clock may jump.
#pragma once

#include <chrono>

namespace nswarden {

/// Seconds.
inline double unix_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace nswarden
