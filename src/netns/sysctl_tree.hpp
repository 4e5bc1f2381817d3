// SPDX-License-Identifier: Apache-2.0
// Opens files below /proc/sys/net and no others (kernel fact 25), and finds them by globs. A dirfd of /proc/sys/net belongs to
// no netns. A dirfd of a family (net/ipv4, net/netfilter, ...) or of a directory below it belongs to the netns in which it was
// opened, must be used only there (fact 13), and keeps nothing alive. Held dirfds avoid lookups directly below net/, which cost
// time for every netns of the host (fact 11).
#pragma once

#include <cerrno>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/policy/key_pattern.hpp>

namespace nswarden {

/// Errors that mean exhaustion of fds or memory, and say nothing about the file.
constexpr bool is_exhausted(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

class SysctlTree {
 public:
  /// How a path is confined to its directory: by openat2 (Linux 5.6) or step by step.
  enum class Walk { openat2, by_step };
  /// Throws std::system_error if /proc/sys/net cannot be opened. Walks by step only if the kernel or a system call filter lacks
  /// openat2 (kernel fact 62).
  SysctlTree();
  explicit SysctlTree(Walk walk);

  [[nodiscard]] int root() const { return root_.get(); }
  [[nodiscard]] Walk walk() const { return walk_; }

  /// Opens `path`, a Key's or a part of one, below `directory`, without `..`, links or other file systems in the path. `flags`
  /// as for open; O_NOFOLLOW and O_CLOEXEC are always added.
  [[nodiscard]] Result<Fd> open_below(int directory, const char* path, int flags) const;

 private:
  [[nodiscard]] Result<Fd> open_by_step(int directory, std::string_view path, int flags) const;

  Fd root_;
  unsigned long device_ = 0;
  Walk walk_ = Walk::openat2;
};

/// FamilyDirectories holds the opened family directories of one netns.
class FamilyDirectories {
 public:
  /// Returns the directory of a family, opened by the first call. The thread is inside the netns.
  Result<int> get(const SysctlTree& tree, std::string_view family);
  [[nodiscard]] std::size_t size() const { return opened_.size(); }
  /// An fd of any of them, or -1.
  [[nodiscard]] int any() const { return opened_.empty() ? -1 : opened_.front().second.get(); }

 private:
  std::vector<std::pair<std::string, Fd>> opened_;
};

/// GlobWalk finds the keys that match globs, in the netns of the calling thread. The directories that it reads stay open.
class GlobWalk {
 public:
  /// Returns sorted keys without duplicates. Fails only when out of fds or memory: an absent directory has no keys.
  Result<std::vector<Key>> find(const SysctlTree& tree, std::span<const KeyPattern* const> globs);
  /// Number of held fds.
  [[nodiscard]] std::size_t size() const { return directories_.size(); }
  void close() { directories_.clear(); }

 private:
  struct Name {
    std::string text;
    bool is_directory = false;
  };
  using Names = std::vector<Name>;
  Result<const Names*> names_in(const SysctlTree& tree, const std::string& directory);
  Result<void> walk(const SysctlTree& tree, const KeyPattern& glob, std::vector<Key>& found);

  std::map<std::string, Fd, std::less<>> directories_;
  std::map<std::string, Names, std::less<>> read_;  // during one find()
};

}  // namespace nswarden
