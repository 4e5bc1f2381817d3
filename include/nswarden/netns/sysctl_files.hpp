// SPDX-License-Identifier: Apache-2.0
// SysctlFiles maps inode numbers of sysctl files to bound netns and their keys, for events of SysctlWatcher. RegisteredFiles,
// one per bound netns, fills it. Loop thread only.
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

  /// Id of a new owner of registrations, so that the end of one owner does not remove registrations of the next.
  [[nodiscard]] std::uint32_t new_owner() { return ++last_owner_; }

  /// The newest registration wins: the kernel reuses inode numbers.
  void add(std::uint64_t inode, Place place, std::uint32_t owner = 0);
  /// Removes `inode` if this owner still has it.
  void remove(std::uint64_t inode, std::uint32_t owner = 0);
  [[nodiscard]] std::optional<Place> find(std::uint64_t inode) const;
  [[nodiscard]] std::size_t size() const { return places_.size(); }

  /// Records a write to a file with this name (last component of its path) and an unregistered inode number. One key of one
  /// netns can have several inodes (kernel fact 16), so a netns that writes such a key checks whether this inode is its own.
  /// Keeps at most `max_unknown_inodes`; one more clears the earlier ones.
  void add_unknown_inode(std::uint64_t inode, std::string_view name);
  [[nodiscard]] bool has_unknown_inode(std::string_view name) const;
  void clear_unknown_inodes() { unknown_inodes_.clear(); }

  static constexpr std::size_t max_unknown_inodes = 64;

 private:
  struct Registered {  // as small as a Place
    std::uint64_t netns = 0;
    std::uint32_t key = 0;
    std::uint32_t owner = 0;
  };
  std::unordered_map<std::uint64_t, Registered> places_;
  std::unordered_map<std::uint64_t, std::string> unknown_inodes_;
  std::uint32_t last_owner_ = 0;
};

/// RegisteredFiles registers the inodes of one bound netns's sysctl files in SysctlFiles, and removes them when the netns is
/// unbound. Eight bytes per key in addition to those of SysctlFiles. Loop thread only.
class RegisteredFiles {
 public:
  /// `files` must outlive this; `netns` is the inode number of the nsfs file.
  RegisteredFiles(SysctlFiles& files, std::uint64_t netns, std::size_t keys);
  ~RegisteredFiles();
  RegisteredFiles(const RegisteredFiles&) = delete;
  RegisteredFiles& operator=(const RegisteredFiles&) = delete;

  static constexpr std::size_t no_index = static_cast<std::size_t>(-1);
  /// Renumbers the keys: new key i had index `from[i]` before, or is new (`no_index`).
  void rearrange(std::span<const std::size_t> from);

  /// `file` was opened for `key` and replaces the previous one. Costs one fstat if it is the same file.
  void opened(std::size_t key, const Fd& file);

  /// `file` is found at the path of `key` now. Its inode may differ from that of the held fd (kernel fact 16).
  void found(std::size_t key, const Fd& file);

 private:
  void add(std::uint64_t inode, std::size_t key);

  SysctlFiles& files_;
  std::uint64_t netns_;
  std::uint32_t owner_;
  std::vector<std::uint64_t> inodes_;                         // by key, 0 if never opened
  std::vector<std::pair<std::uint64_t, std::size_t>> found_;  // additional inodes, the newest last
};

}  // namespace nswarden
