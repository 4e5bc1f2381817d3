// SPDX-License-Identifier: Apache-2.0
// Opens files below /proc/sys/net, and nothing but those (kernel fact 25). A dirfd of /proc/sys/net belongs to no netns, one
// of a family (net/ipv4, net/netfilter, ...) to the netns in which it was opened, and is to be used only there (fact 13).
#pragma once

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

/// Errors that say nothing about a file, only that we cannot open any more.
constexpr bool is_exhausted(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

class SysctlTree {
 public:
  /// How a path is kept below its directory: by openat2 (Linux 5.6), or step by step.
  enum class Walk { openat2, by_step };
  /// Throws std::system_error when /proc/sys/net cannot be opened. Walks by step only where the kernel or a filter of system
  /// calls has no openat2 (kernel fact 62).
  SysctlTree();
  explicit SysctlTree(Walk walk);

  [[nodiscard]] int root() const { return root_.get(); }
  [[nodiscard]] Walk walk() const { return walk_; }

  /// `path`, a Key's or a part of one, below `directory`: no `..`, no link, no other file system on the way.
  /// `flags` as for open, with O_NOFOLLOW and O_CLOEXEC always.
  [[nodiscard]] Result<Fd> open_below(int directory, const char* path, int flags) const;

 private:
  [[nodiscard]] Result<Fd> open_by_step(int directory, std::string_view path, int flags) const;

  Fd root_;
  unsigned long device_ = 0;
  Walk walk_ = Walk::openat2;
};

/// The families of one netns that were opened so far.
class FamilyDirectories {
 public:
  /// The directory of a family, opened at the first call. The thread is inside the netns.
  Result<int> get(const SysctlTree& tree, std::string_view family);
  [[nodiscard]] std::size_t size() const { return opened_.size(); }
  /// An fd of any of them; -1 when there is none.
  [[nodiscard]] int any() const { return opened_.empty() ? -1 : opened_.front().second.get(); }

 private:
  std::vector<std::pair<std::string, Fd>> opened_;
};

}  // namespace nswarden
