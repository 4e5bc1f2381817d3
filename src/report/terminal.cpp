// SPDX-License-Identifier: Apache-2.0
#include "report/terminal.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace nswarden {

bool is_terminal(int fd) {
  const char* terminal = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): nothing sets the environment
  return ::isatty(fd) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

}  // namespace nswarden
