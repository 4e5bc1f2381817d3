// SPDX-License-Identifier: Apache-2.0
// Which sysctl file of which bound netns has which inode number: what an event of SysctlWatcher is looked up in. Filled by the
// netns that are bound. Loop thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace nswarden::os {

class SysctlFiles {
 public:
  struct Place {
    std::uint64_t netns = 0;  ///< inode number of its nsfs file
    std::uint32_t key = 0;    ///< index into the keys that it was bound with
    friend bool operator==(const Place&, const Place&) = default;
  };

  /// The newest wins: the kernel uses numbers again.
  void add(std::uint64_t inode, Place place) { places_[inode] = place; }
  /// Forgets `inode` if it still stands for `place`.
  void remove(std::uint64_t inode, Place place) {
    const auto known = places_.find(inode);
    if (known != places_.end() && known->second == place) places_.erase(known);
  }
  [[nodiscard]] std::optional<Place> find(std::uint64_t inode) const {
    const auto known = places_.find(inode);
    return known == places_.end() ? std::nullopt : std::optional(known->second);
  }

  /// A file of this name (last component of its path) and of an inode number that nobody knows was written. One key of one netns
  /// can have several inodes (kernel fact 16), so a netns that finds a drift of such a key looks whether this one is its own.
  void meet_stranger(std::uint64_t inode, std::string_view name);
  [[nodiscard]] bool has_stranger(std::string_view name) const;
  void forget_strangers();

 private:
  std::unordered_map<std::uint64_t, Place> places_;
  std::unordered_map<std::uint64_t, std::string> strangers_;  // bounded
};

}  // namespace nswarden::os
