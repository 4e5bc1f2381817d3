// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/waker.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace nswarden {

Waker::Waker() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
}

void Waker::wake() const {
  const std::uint64_t one = 1;
  // Else it can only fail when the counter is full, and then the loop is awake anyway.
  while (::write(fd_.get(), &one, sizeof one) < 0 && errno == EINTR) continue;
}

bool Waker::read() const {
  std::uint64_t count = 0;
  return ::read(fd_.get(), &count, sizeof count) == static_cast<ssize_t>(sizeof count);
}

}  // namespace nswarden
