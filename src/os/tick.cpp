// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/tick.hpp>

#include <ctime>

namespace nswarden {

std::chrono::nanoseconds kernel_tick() {
  // The coarse clock goes on once a tick, and says so; HZ itself is nowhere to be read.
  timespec resolution{};
  if (::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) != 0) return std::chrono::nanoseconds(0);
  return std::chrono::seconds(resolution.tv_sec) + std::chrono::nanoseconds(resolution.tv_nsec);
}

}  // namespace nswarden
