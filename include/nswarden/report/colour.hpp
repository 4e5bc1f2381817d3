// SPDX-License-Identifier: Apache-2.0
// Whether reports have colours.
#pragma once

#include <cstdlib>

#include <nswarden/report/render.hpp>
#include "report/terminal.hpp"

namespace nswarden {

inline Colour colour_of_stdout() {
  const char* no_colour = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): one thread
  const bool wanted = no_colour == nullptr || *no_colour == '\0';
  return wanted && is_terminal(1) ? Colour::always : Colour::never;
}

}  // namespace nswarden
