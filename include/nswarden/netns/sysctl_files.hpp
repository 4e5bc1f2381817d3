// SPDX-License-Identifier: Apache-2.0
// Which sysctl file of which bound netns has which inode number: what an event of SysctlWatcher is looked up in. Filled by the
// netns that are bound. Loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

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

  /// A file of this name (last component of its path) and of an inode number that nobody knows was written. One key of one netns
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

}  // namespace nswarden
