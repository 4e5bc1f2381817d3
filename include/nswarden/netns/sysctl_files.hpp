// SPDX-License-Identifier: Apache-2.0
// SysctlFiles maps the inode numbers of sysctl files to bound netns and their keys, for events of SysctlWatcher. RegisteredFiles, one
// for each bound netns, fills it. Loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nswarden/os/fd.hpp>

namespace nswarden {

class SysctlFiles {
 public:
  struct Place {
    std::uint64_t netns = 0;  ///< inode number of its nsfs file
    std::uint32_t key = 0;    ///< index into the keys that it was bound with
    friend bool operator==(const Place&, const Place&) = default;
  };

  /// A number for a new owner of registrations, so that the end of one leaves those of the next alone.
  [[nodiscard]] std::uint32_t new_owner() { return ++last_owner_; }

  /// The newest wins: the kernel uses numbers again.
  void add(std::uint64_t inode, Place place, std::uint32_t owner = 0);
  /// Forgets `inode` if it is still this owner's.
  void remove(std::uint64_t inode, std::uint32_t owner = 0);
  [[nodiscard]] std::optional<Place> find(std::uint64_t inode) const;
  [[nodiscard]] std::size_t size() const { return places_.size(); }

  /// A file of this name (last component of its path) and of an inode number that is not registered was written. One key of one netns
  /// can have several inodes (kernel fact 16), so a netns that writes such a key looks whether this one is its own. At most
  /// `most_strangers` are kept; one more, and the others are forgotten.
  void meet_stranger(std::uint64_t inode, std::string_view name);
  [[nodiscard]] bool has_stranger(std::string_view name) const;
  void forget_strangers() { strangers_.clear(); }

  static constexpr std::size_t most_strangers = 64;

 private:
  struct Registered {  // as small as a Place
    std::uint64_t netns = 0;
    std::uint32_t key = 0;
    std::uint32_t owner = 0;
  };
  std::unordered_map<std::uint64_t, Registered> places_;
  std::unordered_map<std::uint64_t, std::string> strangers_;
  std::uint32_t last_owner_ = 0;
};

/// The inodes of the sysctl files of one bound netns, as long as it is bound: known to SysctlFiles, and forgotten at the end.
/// Eight bytes a key beside those of SysctlFiles.
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
