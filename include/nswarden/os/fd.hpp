// SPDX-License-Identifier: Apache-2.0
// Fd owns a file descriptor; any thread. Without an implicit conversion, `get()` marks each place that borrows one.
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
  /// The caller must close the returned fd.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

/// A path that opens the file behind `fd` anew.
inline std::string path_of_fd(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace nswarden
