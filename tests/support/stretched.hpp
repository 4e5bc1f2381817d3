// SPDX-License-Identifier: Apache-2.0
// Time limits of tests on a slow machine.
#pragma once

#include <chrono>
#include <cstdlib>

namespace nswarden::test {

/// The limit times $NSWARDEN_TIME_FACTOR, which tests/kernels sets for an emulated machine.
inline std::chrono::milliseconds stretched(std::chrono::milliseconds limit) {
  static const double factor = [] {
    const char* text = std::getenv("NSWARDEN_TIME_FACTOR");  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? 1.0 : std::strtod(text, nullptr);
  }();
  return std::chrono::duration_cast<std::chrono::milliseconds>(limit * factor);
}

}  // namespace nswarden::test
