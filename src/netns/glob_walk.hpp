// SPDX-License-Identifier: Apache-2.0
// GlobWalk finds the keys that globs match, in the netns that the calling thread is in. The directories that it reads stay open as
// long as it lives: a lookup right below net/ costs time for every netns of the host (kernel fact 11), and reading one that is open
// does not. Such a directory belongs to the netns in which it was opened, is used only there (kernel fact 13), and keeps nothing alive.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/policy/key_pattern.hpp>
#include "netns/sysctl_tree.hpp"

namespace nswarden {

class GlobWalk {
 public:
  /// Each key once, sorted. An error only when files or memory ran out: a directory that is not there has no keys.
  Result<std::vector<Key>> find(const SysctlTree& tree, std::span<const KeyPattern* const> globs);
  /// Fds that it holds.
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
  std::map<std::string, Names, std::less<>> read_;  // in this call of find()
};

}  // namespace nswarden
