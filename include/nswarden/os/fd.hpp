// SPDX-License-Identifier: Apache-2.0
// Owners of a file descriptor and of a directory stream, for any thread. No implicit conversion: `get()` shows where one is borrowed.
#pragma once

#include <dirent.h>
#include <unistd.h>

#include <memory>
#include <string_view>
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

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

/// Whether it is one of the two names that every directory has besides its entries.
constexpr bool is_dots(std::string_view name) { return name == "." || name == ".."; }

}  // namespace nswarden
