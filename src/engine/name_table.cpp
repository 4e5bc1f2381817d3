// SPDX-License-Identifier: Apache-2.0
#include "engine/name_table.hpp"

#include <algorithm>

namespace nswarden {
namespace {

// Without an event, a pending name is checked again after half its age, so that a lost event at most doubles the wait.
constexpr std::chrono::milliseconds shortest_pending_delay{5};
constexpr std::chrono::milliseconds longest_pending_delay{1000};

/// The first name is shown; names given by an operator come before those of processes.
bool precedes(const TrackedName* name, const TrackedName* other) {
  const bool is_process = name->source == NameKind::process;
  const bool other_is_process = other->source == NameKind::process;
  return is_process != other_is_process ? other_is_process : name->label < other->label;
}

}  // namespace

TrackedNetns* NameTable::touch(std::uint16_t directory, std::string_view name, Time now) {
  recheck(name_of(directory, name, now), now);
  const auto placed = names_[directory].find(name);
  return placed == names_[directory].end() ? nullptr : placed->second->netns;
}

void NameTable::recheck(TrackedName& name, Time now) { place(name, catalog_.look_up(name.directory, name.name), now); }

void NameTable::refuse(TrackedName& name, Refusal refusal, Time now) {
  if (refusal == Refusal::absent || refusal == Refusal::not_ready) return recheck(name, now);
  if (std::exchange(name.refused, refusal) != refusal && refusal == Refusal::host_netns) listener_.host_refused(name);
  detach(name);
}

TrackedName& NameTable::name_of(std::uint16_t directory, std::string_view name, Time now) {
  Names& names = names_[directory];
  if (const auto known = names.find(name); known != names.end()) return *known->second;
  auto added = std::make_unique<TrackedName>();
  added->directory = directory;
  added->name = name;
  const NetnsSource& source = catalog_.sources()[directory];
  added->source = source.kind;
  added->label = label_of(source, directory, name);
  added->since = now;
  return *names.emplace(std::string(name), std::move(added)).first->second;
}

std::vector<std::pair<std::uint16_t, std::string>> NameTable::take_pending(Time now) {
  std::vector<std::pair<std::uint16_t, std::string>> pending;
  for (const Names& names : names_) {
    for (const auto& [text, name] : names) {
      if (name->pending(now)) pending.emplace_back(name->directory, text);
    }
  }
  pending_due_.reset();
  return pending;
}

std::size_t NameTable::pending(Time now) const {
  std::size_t pending = 0;
  for (const Names& names : names_) {
    for (const auto& [text, name] : names) pending += name->pending(now) ? 1 : 0;
  }
  return pending;
}

std::vector<Listing::Failure> NameTable::list(NetnsCatalog::Detail detail, Time now) {
  Listing listing = catalog_.list(NetnsCatalog::Detail::names);
  ++listing_;
  const std::size_t done = detail == NetnsCatalog::Detail::full ? to_check_.size() : checked_;
  to_check_.erase(to_check_.begin(), to_check_.begin() + static_cast<std::ptrdiff_t>(done));
  checked_ = 0;
  const std::size_t listed = listing.entries.size();
  for (Entry& entry : listing.entries) {
    TrackedName& name = name_of(entry.directory, entry.name, now);
    name.listed = listing_;
    // Only the listing shows that a link leads elsewhere, since a link is not a mount.
    const bool leads_elsewhere =
        name.netns != nullptr && entry.kind != EntryKind::absent && entry.inode != name.netns->governed.inode();
    if (detail == NetnsCatalog::Detail::full || name.netns == nullptr || leads_elsewhere) to_check_.push_back(std::move(entry));
  }
  std::size_t known = 0;
  for (const Names& names : names_) known += names.size();
  for (std::size_t i = 0; i < names_.size() && known != listed; ++i) {
    const bool failed = std::any_of(listing.failures.begin(), listing.failures.end(),
                                    [i](const Listing::Failure& failure) { return failure.directory == i; });
    if (failed) continue;
    for (const auto& [text, name] : names_[i]) {
      if (name->listed != listing_) to_check_.push_back({name->directory, name->name});
    }
  }
  return std::move(listing.failures);
}

/// Checks a name that a listing had, or no longer had. It may be gone since.
void NameTable::check_next(Time now) {
  const Entry& listed = to_check_[checked_++];
  const auto known = names_[listed.directory].find(listed.name);
  if (known != names_[listed.directory].end()) recheck(*known->second, now);
}

/// The only place that decides whether a name leads to a netns. `name` may be gone afterwards.
void NameTable::place(TrackedName& name, const Entry& entry, Time now) {
  if (entry.kind == EntryKind::nsfs && name.netns != nullptr && name.netns->governed.inode() == entry.inode) return;
  if (name.netns != nullptr) detach(name);
  if (entry.kind == EntryKind::absent) {
    Names& names = names_[name.directory];
    names.erase(names.find(name.name));
    return;
  }
  const Time first_seen = name.kind == EntryKind::absent || name.pending(now) ? name.since : now;
  if (name.kind != entry.kind) name.since = now;
  name.kind = entry.kind;
  if (entry.kind == EntryKind::nsfs) attach(name, entry.inode, first_seen);
  if (name.pending(now)) {
    const auto delay = std::clamp<Time::duration>((now - name.since) / 2, shortest_pending_delay, longest_pending_delay);
    if (!pending_due_ || now + delay < *pending_due_) pending_due_ = now + delay;
  }
}

void NameTable::attach(TrackedName& name, std::uint64_t inode, Time first_seen) {
  TrackedNetns*& known = by_inode_[inode];
  if (known == nullptr) {
    netns_.push_back(std::make_unique<TrackedNetns>(TrackedNetns{GovernedNetns(inode, first_seen, census_), netns_.size()}));
    known = netns_.back().get();
  }
  name.netns = known;
  auto& names = known->names;
  names.insert(std::upper_bound(names.begin(), names.end(), &name, precedes), &name);
  listener_.name_added(*known);
}

void NameTable::detach(TrackedName& name) {
  TrackedNetns& netns = *std::exchange(name.netns, nullptr);
  if (netns.names.size() > 1) {
    std::erase(netns.names, &name);
    return listener_.name_removed(netns);
  }
  listener_.netns_removed(netns);
  by_inode_.erase(netns.governed.inode());
  netns_[netns.index].reset();
}

TrackedNetns* NameTable::find(std::uint64_t inode) const {
  const auto known = by_inode_.find(inode);
  return known == by_inode_.end() ? nullptr : known->second;
}

void NameTable::compact() {
  std::erase(netns_, nullptr);
  for (std::size_t i = 0; i < netns_.size(); ++i) netns_[i]->index = i;
}

}  // namespace nswarden
