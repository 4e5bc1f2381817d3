// SPDX-License-Identifier: Apache-2.0
// SelectedCatalog shows only the netns with certain names, under all their names, because a policy may match any of them. Used
// by one-shot commands such as `check NETNS...`, in their main thread.
#pragma once

#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/engine/kernel.hpp>

namespace nswarden {

class SelectedCatalog final : public NetnsCatalog {
 public:
  /// `names`: bare names from any source, or full paths. An empty list selects all.
  SelectedCatalog(NetnsCatalog& all, std::vector<std::string> names) : all_(all), names_(std::move(names)) {}

  [[nodiscard]] std::span<const NetnsSource> sources() const override { return all_.sources(); }
  Listing list(Detail detail) override {
    Listing listing = all_.list(names_.empty() ? detail : Detail::full);
    if (names_.empty()) return listing;
    std::set<std::uint64_t> inodes;
    found_.clear();
    for (const Entry& entry : listing.entries) {
      if (selected(entry) && entry.inode != 0) inodes.insert(entry.inode);
    }
    std::erase_if(listing.entries, [&](const Entry& entry) { return !inodes.contains(entry.inode); });
    return listing;
  }
  Entry look_up(std::uint16_t directory, std::string_view name) override { return all_.look_up(directory, name); }
  BindResult bind(std::uint16_t directory, std::string_view name, std::span<const KeyRequest> keys, Tier tier) override {
    return all_.bind(directory, name, keys, tier);
  }

  /// The requested names for which the last list() found no possible netns.
  [[nodiscard]] std::vector<std::string> not_found() const {
    std::vector<std::string> missing = names_;
    std::erase_if(missing, [this](const std::string& name) { return found_.contains(name); });
    return missing;
  }

 private:
  bool selected(const Entry& entry) {
    bool any = false;
    for (const std::string& name : names_) {
      if (name != entry.name && name != sources()[entry.directory].directory + '/' + entry.name) continue;
      any = true;
      if (entry.kind == EntryKind::nsfs) found_.insert(name);
    }
    return any;
  }

  NetnsCatalog& all_;
  std::vector<std::string> names_;
  std::set<std::string> found_;
};

}  // namespace nswarden
