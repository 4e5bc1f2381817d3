// SPDX-License-Identifier: Apache-2.0
// The inodes of the sysctl files of one bound netns, as long as it is bound: known to SysctlFiles, and forgotten at the end.
// Eight bytes a key beside those of SysctlFiles. Loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <nswarden/netns/sysctl_files.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

class RegisteredFiles {
 public:
  /// `files` outlives this; `netns` is the inode number of the nsfs file.
  RegisteredFiles(SysctlFiles& files, std::uint64_t netns, std::size_t keys);
  ~RegisteredFiles();
  RegisteredFiles(const RegisteredFiles&) = delete;
  RegisteredFiles& operator=(const RegisteredFiles&) = delete;

  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
  /// There are as many keys now as `from` has elements, each the one that had that index before, or a new one: nowhere.
  void rearrange(std::span<const std::size_t> from);

  /// `file` was opened for `key`, in place of the one before. Costs one fstat when it is the same still.
  void opened(std::size_t key, const Fd& file);

  /// `file` was found where `key` is opened now, and may be another inode than that of the fd that is held (kernel fact 16).
  void found(std::size_t key, const Fd& file);

 private:
  void add(std::uint64_t inode, std::size_t key);

  SysctlFiles& files_;
  std::uint64_t netns_;
  std::uint32_t owner_;
  std::vector<std::uint64_t> inodes_;                         // of each key, 0 when it was never opened
  std::vector<std::pair<std::uint64_t, std::size_t>> found_;  // others, the newest last
};

}  // namespace nswarden
