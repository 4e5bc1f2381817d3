// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/standard_fds.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

namespace nswarden {

void fill_standard_fds() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // open takes the lowest free number, and all below this one are in use. Not O_CLOEXEC: children inherit these three.
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) std::abort();
  }
}

}  // namespace nswarden
