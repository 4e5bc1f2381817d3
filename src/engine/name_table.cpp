// SPDX-License-Identifier: Apache-2.0
// The part of Reconciler that knows names: what each leads to, and what the netns behind it must have therefore.
#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "engine/announced.hpp"
#include "engine/governed_netns.hpp"
#include "engine/key_census.hpp"
#include "engine/name_table.hpp"

namespace nswarden {
namespace {

// Without any event a pending name is looked at after half its age, so that a lost event costs no more than what was waited already.
constexpr std::chrono::milliseconds shortest_pending_delay{5};
constexpr std::chrono::milliseconds longest_pending_delay{1000};

/// The first name is the one that is shown: one that an operator gave comes first.
bool comes_before(NameKind kind, std::string_view label, NameKind other_kind, std::string_view other_label) {
  const bool is_process = kind == NameKind::process;
  const bool other_is_process = other_kind == NameKind::process;
  return is_process != other_is_process ? other_is_process : label < other_label;
}

}  // namespace

void Reconciler::touch(std::uint16_t directory, std::string_view name, Time now) {
  place(name_of(directory, name, now), catalog_.look(directory, name), now);
  // Also a netns that seems to be the one we know: it may be its successor, by the same inode number (kernel fact 4).
  const auto placed = names_[directory].find(name);
  if (placed != names_[directory].end() && placed->second->netns != nullptr) enqueue(*placed->second->netns, fresh);
}

Reconciler::Name& Reconciler::name_of(std::uint16_t directory, std::string_view name, Time now) {
  Names& names = names_[directory];
  if (const auto known = names.find(name); known != names.end()) return *known->second;
  auto added = std::make_unique<Name>();
  added->directory = directory;
  added->name = name;
  const NetnsSource& source = catalog_.sources()[directory];
  added->source = source.kind;
  added->label = label_of(source, directory, name);
  added->since = now;
  return *names.emplace(std::string(name), std::move(added)).first->second;
}

void Reconciler::look_pending(Time now) {
  std::vector<std::pair<std::uint16_t, std::string>> pending;
  for (const Names& names : names_) {
    for (const auto& [text, name] : names) {
      if (name->pending(now)) pending.emplace_back(name->directory, text);
    }
  }
  pending_due_.reset();
  for (const auto& [directory, text] : pending) touch(directory, text, now);
}

std::vector<Listing::Failure> Reconciler::list(NetnsCatalog::Detail detail, Time now) {
  Listing listing = catalog_.list(NetnsCatalog::Detail::names);
  ++listing_;
  const std::size_t done = detail == NetnsCatalog::Detail::full ? to_look_.size() : looked_;
  to_look_.erase(to_look_.begin(), to_look_.begin() + static_cast<std::ptrdiff_t>(done));
  looked_ = 0;
  const std::size_t listed = listing.entries.size();
  for (Entry& entry : listing.entries) {
    Name& name = name_of(entry.directory, entry.name, now);
    name.listed = listing_;
    // Of what is no mount, such as a link that counts, only the listing tells that it leads elsewhere.
    const bool leads_elsewhere =
        name.netns != nullptr && entry.kind != EntryKind::absent && entry.inode != name.netns->governed.inode();
    if (detail == NetnsCatalog::Detail::full || name.netns == nullptr || leads_elsewhere) to_look_.push_back(std::move(entry));
  }
  std::size_t known = 0;
  for (const Names& names : names_) known += names.size();
  for (std::size_t i = 0; i < names_.size() && known != listed; ++i) {
    const bool failed = std::any_of(listing.failures.begin(), listing.failures.end(),
                                    [i](const Listing::Failure& failure) { return failure.directory == i; });
    if (failed) continue;
    for (const auto& [text, name] : names_[i]) {
      if (name->listed != listing_) to_look_.push_back({name->directory, name->name});
    }
  }
  return std::move(listing.failures);
}

/// At a name that a listing had, or no longer had. It may have gone since.
void Reconciler::look_again(const Entry& listed, Time now) {
  const auto known = names_[listed.directory].find(listed.name);
  if (known != names_[listed.directory].end()) place(*known->second, catalog_.look(listed.directory, listed.name), now);
}

/// The one place that decides what a name is. `name` may be gone afterwards.
void Reconciler::place(Name& name, const Entry& entry, Time now) {
  if (entry.kind == EntryKind::nsfs && name.netns != nullptr && name.netns->governed.inode() == entry.inode) return;
  if (name.netns != nullptr) detach(name, now);
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

void Reconciler::attach(Name& name, std::uint64_t inode, Time first_seen) {
  Netns*& known = by_inode_[inode];
  if (known == nullptr) {
    netns_.push_back(std::make_unique<Netns>(Netns{GovernedNetns(inode, first_seen), {}, netns_.size()}));
    known = netns_.back().get();
  }
  name.netns = known;
  auto& names = known->names;
  names.insert(
      std::upper_bound(names.begin(), names.end(), &name,
                       [](const Name* a, const Name* b) { return comes_before(a->source, a->label, b->source, b->label); }),
      &name);
  replan(*known, first_seen);
  // Also when nothing seems to have changed: the one known by this inode may have died, and this be its successor (kernel fact 4).
  enqueue(*known, fresh);
}

void Reconciler::detach(Name& name, Time now) {
  Netns& netns = *std::exchange(name.netns, nullptr);
  if (netns.names.size() == 1) return drop(netns);
  std::erase(netns.names, &name);
  replan(netns, now);
}

void Reconciler::drop(Netns& netns) {
  unbind(netns);
  if (netns.introduced) announced_lives_->remember(netns.governed.cookie(), std::move(netns.announced));
  netns.governed.forget(context({}));
  if (netns.told) {
    Report report;
    report.netns = netns.label();
    report.life = Report::Life::gone;
    reports_.push_back(std::move(report));
  }
  for (Name* name : netns.names) name->netns = nullptr;
  by_inode_.erase(netns.governed.inode());
  for (auto& queue : queues_) std::erase(queue, &netns);
  if (netns.retry_at) retries_.erase({*netns.retry_at, &netns});
  reserved_fds_ -= netns.reserved;
  netns_[netns.index].reset();
}

/// Its names or the policies may have changed: what it must have follows from them.
void Reconciler::replan(Netns& netns, Time now) {
  std::vector<NetnsName> names;
  for (const Name* name : netns.names) names.push_back({name->name, name->source});
  const std::vector<PolicyIndex> matched = policies_->match(names);
  auto& plan = plans_[matched];
  if (!plan) plan = std::make_shared<SharedPlan>(policies_, matched);
  if (netns.governed.plan() == plan.get() && netns.governed.bound()) return;
  unbind(netns);
  netns.governed.set_plan(*plan, context(now));
  netns.written_to.clear();  // as the old plan counted them
  netns.unannounced = true;
  reserved_fds_ += plan->directories() - netns.reserved;
  netns.reserved = plan->directories();
  enqueue(netns, fresh);
}

}  // namespace nswarden
