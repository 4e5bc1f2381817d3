// SPDX-License-Identifier: Apache-2.0
// A catalog that shows only the netns of some names, under all the names that they have, since a policy may match any of them.
// For `check NETNS...`. Loop thread only.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include <nswarden/policy/netns_name.hpp>

namespace nswarden::app {

class SelectedCatalog final : public core::NetnsCatalog {
 public:
  /// `names`: bare names of any of the sources, or full paths. None selects all.
  SelectedCatalog(core::NetnsCatalog& all, std::vector<core::NetnsSource> sources, std::vector<std::string> names)
      : all_(all), sources_(std::move(sources)), names_(std::move(names)) {}

  core::Listing list(Detail detail) override {
    core::Listing listing = all_.list(names_.empty() ? detail : Detail::full);
    if (names_.empty()) return listing;
    std::set<std::uint64_t> inodes;
    found_.clear();
    for (const core::Entry& entry : listing.entries) {
      if (selected(entry) && entry.inode != 0) inodes.insert(entry.inode);
    }
    std::erase_if(listing.entries, [&](const core::Entry& entry) { return !inodes.contains(entry.inode); });
    return listing;
  }
  core::Entry look(std::uint16_t directory, std::string_view name) override { return all_.look(directory, name); }
  core::BindResult bind(std::uint16_t directory, std::string_view name, std::span<const Wish> keys, core::Tier tier) override {
    return all_.bind(directory, name, keys, tier);
  }

  /// Of the names asked for, those that the last list() did not find as anything that could be a netns.
  [[nodiscard]] std::vector<std::string> not_found() const {
    std::vector<std::string> missing;
    for (const std::string& name : names_) {
      if (!found_.contains(name)) missing.push_back(name);
    }
    return missing;
  }

 private:
  bool selected(const core::Entry& entry) {
    bool any = false;
    for (const std::string& name : names_) {
      if (name != entry.name && name != sources_[entry.directory].directory + '/' + entry.name) continue;
      any = true;
      if (entry.kind == core::EntryKind::nsfs) found_.insert(name);
    }
    return any;
  }

  core::NetnsCatalog& all_;
  std::vector<core::NetnsSource> sources_;
  std::vector<std::string> names_;
  std::set<std::string> found_;
};

}  // namespace nswarden::app
