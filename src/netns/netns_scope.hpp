// SPDX-License-Identifier: Apache-2.0
// NetnsScope moves the calling thread into another netns and back. The only caller of setns, which is per thread (kernel fact
// 21). Threads and children must not be started while a scope lives: they would keep that netns (kernel fact 5).
#pragma once

#include <cstdint>
#include <utility>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

/// HomeNetns is the netns of the calling thread at construction.
class HomeNetns {
 public:
  /// Throws std::system_error if it cannot be opened.
  HomeNetns();
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::uint64_t inode() const { return inode_; }
  /// Device number of nsfs, shared by all netns files and no other file system.
  [[nodiscard]] std::uint64_t nsfs_device() const { return device_; }

 private:
  Fd fd_;
  std::uint64_t inode_ = 0;
  std::uint64_t device_ = 0;
};

class NetnsScope {
 public:
  /// Moves the calling thread into the netns behind `netns`, an fd of a netns file that may be closed after the call. `home`
  /// must outlive the scope.
  static Result<NetnsScope> enter(int netns, const HomeNetns& home);

  /// Enters the thread's current netns, to test whether it may enter any.
  static Result<void> try_home(const HomeNetns& home);

  /// Returns to the home netns. Aborts the process on failure, because later operations would affect another netns.
  ~NetnsScope();
  NetnsScope(NetnsScope&& other) noexcept : home_(std::exchange(other.home_, nullptr)) {}
  NetnsScope& operator=(NetnsScope&&) = delete;
  NetnsScope(const NetnsScope&) = delete;
  NetnsScope& operator=(const NetnsScope&) = delete;

 private:
  explicit NetnsScope(const HomeNetns& home) : home_(&home) {}
  const HomeNetns* home_;
};

}  // namespace nswarden
