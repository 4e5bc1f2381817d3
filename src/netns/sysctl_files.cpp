// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/sysctl_files.hpp>

#include <sys/stat.h>

#include <algorithm>

namespace nswarden {
namespace {

// A process inside can create any number of inodes of a key; later writers use only the newest.
constexpr std::size_t max_found = 16;

/// 0 if unknown.
std::uint64_t inode_of(const Fd& file) {
  struct stat status {};
  return ::fstat(file.get(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

void SysctlFiles::add(std::uint64_t inode, Place place, std::uint32_t owner) {
  places_[inode] = {place.netns, place.key, owner};
  unknown_inodes_.erase(inode);
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

void SysctlFiles::add_unknown_inode(std::uint64_t inode, std::string_view name) {
  if (unknown_inodes_.size() >= max_unknown_inodes && !unknown_inodes_.contains(inode)) unknown_inodes_.clear();
  unknown_inodes_[inode] = name;
}

bool SysctlFiles::has_unknown_inode(std::string_view name) const {
  return std::any_of(unknown_inodes_.begin(), unknown_inodes_.end(),
                     [name](const auto& unknown) { return unknown.second == name; });
}

RegisteredFiles::RegisteredFiles(SysctlFiles& files, std::uint64_t netns, std::size_t keys)
    : files_(files), netns_(netns), owner_(files.new_owner()), inodes_(keys) {}

RegisteredFiles::~RegisteredFiles() {
  for (const std::uint64_t inode : inodes_) files_.remove(inode, owner_);
  for (const auto& [inode, key] : found_) files_.remove(inode, owner_);
}

void RegisteredFiles::add(std::uint64_t inode, std::size_t key) {
  files_.add(inode, {netns_, static_cast<std::uint32_t>(key)}, owner_);
}

void RegisteredFiles::rearrange(std::span<const std::size_t> from) {
  std::vector<std::size_t> to(inodes_.size(), no_index);
  for (std::size_t key = 0; key < from.size(); ++key) {
    if (from[key] != no_index) to[from[key]] = key;
  }
  std::vector<std::uint64_t> inodes(from.size());
  const auto move = [&](std::uint64_t inode, std::size_t key) {
    if (to[key] == no_index) {
      files_.remove(inode, owner_);
    } else if (to[key] != key && inode != 0) {
      add(inode, to[key]);
    }
    return to[key];
  };
  for (std::size_t key = 0; key < inodes_.size(); ++key) {
    if (const std::size_t now = move(inodes_[key], key); now != no_index) inodes[now] = inodes_[key];
  }
  inodes_ = std::move(inodes);
  for (auto& [inode, key] : found_) key = move(inode, key);
  std::erase_if(found_, [](const auto& one) { return one.second == no_index; });
}

void RegisteredFiles::opened(std::size_t key, const Fd& file) {
  const std::uint64_t inode = inode_of(file);
  if (inode == 0 || inode == inodes_[key]) return;
  add(inode, key);
  files_.remove(inodes_[key], owner_);
  inodes_[key] = inode;
  std::erase_if(found_, [inode](const auto& one) { return one.first == inode; });
}

void RegisteredFiles::found(std::size_t key, const Fd& file) {
  const std::uint64_t inode = inode_of(file);
  const bool known = std::any_of(found_.begin(), found_.end(), [inode](const auto& one) { return one.first == inode; });
  if (inode == 0 || inode == inodes_[key] || known) return;
  if (found_.size() == max_found) {
    files_.remove(found_.front().first, owner_);
    found_.erase(found_.begin());
  }
  found_.emplace_back(inode, key);
  add(inode, key);
}

}  // namespace nswarden
