// SPDX-License-Identifier: Apache-2.0
// The calling thread inside another netns, and back. The only caller of setns, which is per thread (kernel fact 21). Threads
// and children must not be started while a scope lives: they would keep that netns (kernel fact 5).
#pragma once

#include <cstdint>
#include <utility>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

/// The netns that the calling thread was in when this was made.
class HomeNetns {
 public:
  /// Throws std::system_error when it cannot be opened.
  HomeNetns();
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::uint64_t inode() const { return inode_; }
  /// Device number of nsfs, which every netns file has and nothing else.
  [[nodiscard]] std::uint64_t nsfs_device() const { return device_; }

 private:
  Fd fd_;
  std::uint64_t inode_ = 0;
  std::uint64_t device_ = 0;
};

class NetnsScope {
 public:
  /// Moves the calling thread into the netns behind `netns`, an fd of a netns file that may be closed once this is done.
  /// `home` outlives the scope.
  static Result<NetnsScope> enter(int netns, const HomeNetns& home);

  /// Enters the netns where the thread is already: whether it may enter any.
  static Result<void> try_home(const HomeNetns& home);

  /// Returns to the home netns; aborts the process when it cannot, since all that follows would happen in the wrong place.
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
