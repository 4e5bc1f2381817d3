// SPDX-License-Identifier: Apache-2.0
// Owner of a file descriptor, for any thread. No implicit conversion: `get()` shows where one is borrowed.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

namespace nswarden {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// From now on the caller closes it.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

/// The file behind `fd`, under a name by which it can be opened anew.
inline std::string path_of_fd(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace nswarden
