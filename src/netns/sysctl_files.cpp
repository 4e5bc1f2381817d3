// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/sysctl_files.hpp>

#include <algorithm>

namespace nswarden {

void SysctlFiles::add(std::uint64_t inode, Place place, std::uint32_t owner) {
  places_[inode] = {place.netns, place.key, owner};
  strangers_.erase(inode);
}

void SysctlFiles::remove(std::uint64_t inode, std::uint32_t owner) {
  const auto known = places_.find(inode);
  if (known != places_.end() && known->second.owner == owner) places_.erase(known);
}

std::optional<SysctlFiles::Place> SysctlFiles::find(std::uint64_t inode) const {
  const auto known = places_.find(inode);
  if (known == places_.end()) return std::nullopt;
  return Place{known->second.netns, known->second.key};
}

void SysctlFiles::meet_stranger(std::uint64_t inode, std::string_view name) {
  if (strangers_.size() >= most_strangers && !strangers_.contains(inode)) strangers_.clear();
  strangers_[inode] = name;
}

bool SysctlFiles::has_stranger(std::string_view name) const {
  return std::any_of(strangers_.begin(), strangers_.end(), [name](const auto& stranger) { return stranger.second == name; });
}

}  // namespace nswarden
