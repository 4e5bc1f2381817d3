// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/console.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace nswarden {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets the environment
  return value == nullptr ? std::string_view() : value;
}

}  // namespace

void complain(std::string_view line) { fmt::print(stderr, "nswarden: {}\n", line); }

Colour colour_of_stdout() {
  const std::string_view terminal = environment("TERM");
  const bool has_colours = ::isatty(STDOUT_FILENO) == 1 && !terminal.empty() && terminal != "dumb";
  return has_colours && environment("NO_COLOR").empty() ? Colour::always : Colour::never;
}

}  // namespace nswarden
