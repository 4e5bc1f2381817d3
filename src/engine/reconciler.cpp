// SPDX-License-Identifier: Apache-2.0
#include <nswarden/engine/reconciler.hpp>

#include "engine/announced.hpp"
#include "engine/governed_netns.hpp"
#include "engine/key_census.hpp"
#include "engine/name_table.hpp"

#include <algorithm>
#include <cerrno>
#include <set>
#include <span>

namespace nswarden {
namespace {

// Binding costs about as much as reading this many keys (kernel facts 11 and 12).
constexpr std::size_t bind_cost = 100;
// After a write everything is read again.
constexpr std::size_t write_cost = 64;

}  // namespace

Reconciler::Reconciler(NetnsCatalog& catalog, std::shared_ptr<const PolicySet> policies, Options options)
    : catalog_(catalog),
      policies_(std::move(policies)),
      options_(options),
      census_(std::make_unique<KeyCensus>()),
      announced_lives_(std::make_unique<AnnouncedLives>()),
      names_(catalog_.sources().size()) {
  census_->reset(policies_->keys().size());
}

Reconciler::~Reconciler() = default;

void Reconciler::set_policies(std::shared_ptr<const PolicySet> policies, Time now) {
  policies_ = std::move(policies);
  plans_.clear();
  census_->reset(policies_->keys().size());
  for (const auto& netns : netns_) {
    if (!netns) continue;
    replan(*netns, now);
    // Commands are for a netns that comes, and not for a policy that does.
    if (!netns->introduced) continue;
    netns->announced = netns->governed.plan()->matched();
    netns->unannounced = false;
  }
  announced_lives_->renumber(policies_->policies().size());
}

void Reconciler::saw_write(std::uint64_t inode, std::size_t setting, Time now) {
  const auto known = by_inode_.find(inode);
  if (known == by_inode_.end() || !known->second->governed.minds(setting, now)) return;
  Netns& netns = *known->second;
  if (!netns.write_seen) netns.write_seen = now;
  const auto end = netns.written_to.end();
  if (std::find(netns.written_to.begin(), end, setting) == end) netns.written_to.push_back(setting);
  enqueue(netns, written_to);
}

void Reconciler::saw_write_somewhere(std::string_view name, Time seen) {
  const auto has_it = [name](const Wish& wish) {
    const std::string_view path = wish.key->path();
    return path.substr(path.rfind('/') + 1) == name;
  };
  std::map<const Wish*, bool> concerned;  // many netns share their wishes
  for (const auto& netns : netns_) {
    if (!netns || !netns->governed.bound()) continue;
    const std::span<const Wish> wishes = netns->governed.wishes();
    const auto [found, is_new] = concerned.try_emplace(wishes.data(), false);
    if (is_new) found->second = std::any_of(wishes.begin(), wishes.end(), has_it);
    if (!found->second) continue;
    if (!netns->write_seen) netns->write_seen = seen;
    enqueue(*netns, unsure);
  }
}

void Reconciler::saw_links(std::uint64_t inode) {
  const auto known = by_inode_.find(inode);
  if (known == by_inode_.end()) return;
  known->second->links_changed = true;
  enqueue(*known->second, written_to);
}

void Reconciler::lost_links() {
  for (const auto& netns : netns_) {
    if (netns) netns->links_changed = true;
  }
}

void Reconciler::written(std::uint64_t inode, std::size_t setting, int error) {
  const auto known = by_inode_.find(inode);
  if (known == by_inode_.end()) return;
  known->second->governed.written(setting, error);
  enqueue(*known->second, written_to);
}

void Reconciler::retry(Time now) {
  while (!retries_.empty() && retries_.begin()->first <= now) {
    Netns& netns = *retries_.begin()->second;
    retries_.erase(retries_.begin());
    netns.retry_at.reset();
    enqueue(netns, fresh);
  }
}

std::optional<Time> Reconciler::retry_due() const {
  return retries_.empty() ? std::nullopt : std::optional(retries_.begin()->first);
}

void Reconciler::wait_for_retry(Netns& netns) {
  const std::optional<Time> at = netns.governed.retry_at();
  if (at == netns.retry_at) return;
  if (netns.retry_at) retries_.erase({*netns.retry_at, &netns});
  if (at) retries_.emplace(*at, &netns);
  netns.retry_at = at;
}

/// Where it waits already in a queue that comes later, what is left there is skipped in its turn.
void Reconciler::enqueue(Netns& netns, std::size_t queue) {
  if (queue >= netns.queue) return;
  netns.queue = queue;
  queues_[queue].push_back(&netns);
}

/// Of the queues up to this one.
Reconciler::Netns* Reconciler::next_queued(std::size_t last_queue) {
  for (std::size_t queue = 0; queue <= last_queue; ++queue) {
    while (!queues_[queue].empty()) {
      Netns* const next = queues_[queue].front();
      queues_[queue].pop_front();
      if (next->queue != queue) continue;
      next->queue = none;
      return next;
    }
  }
  return nullptr;
}

void Reconciler::begin_sweep() {
  std::erase(netns_, nullptr);
  for (std::size_t i = 0; i < netns_.size(); ++i) netns_[i]->index = i;
  census_->begin_sweep();
  ++sweep_;
  sweep_size_ = 0;
  sweep_done_ = 0;
  sweep_counted_ = false;
  sweeping_ = true;
}

/// Null: the sweep has been to each.
Reconciler::Netns* Reconciler::next_of_sweep() {
  while (sweep_done_ < sweep_size_) {
    ++progress_;
    // Each sweep begins with another netns, so that none is always the first to be asked for a key that is missing everywhere.
    Netns* const next = netns_[(sweep_ + sweep_done_++) % sweep_size_].get();
    if (next == nullptr || next->swept == sweep_) continue;
    if (next->governed.bound() && next->governed.wishes().empty()) continue;
    next->queue = none;
    return next;
  }
  return nullptr;
}

/// What is queued, in turns with the sweep: it may be queued again without end, as where somebody makes interfaces all the time.
Reconciler::Netns* Reconciler::next_in_turn() {
  Netns* next = std::exchange(sweep_has_turn_, false) ? next_of_sweep() : nullptr;
  if (next != nullptr) return next;
  next = next_queued(unsure);
  sweep_has_turn_ = next != nullptr;
  return next != nullptr ? next : next_of_sweep();
}

void Reconciler::step(std::size_t cost, Time now) {
  std::size_t spent = 0;
  while (spent < cost) {
    Netns* next = next_queued(written_to);
    // Until all names have been looked at, a netns may have one more, and with it another policy.
    if (looked_ < to_look_.size() && (next == nullptr || !next->governed.bound())) {
      if (next != nullptr) enqueue(*next, fresh);
      look_again(to_look_[looked_++], now);
      ++progress_;
      ++spent;
      continue;
    }
    if (next == nullptr && !std::exchange(sweep_counted_, true)) sweep_size_ = netns_.size();
    if (sweep_counted_ && sweep_done_ == sweep_size_) {
      started_ = started_ || sweeping_;
      sweeping_ = false;
    }
    if (next == nullptr) next = next_in_turn();
    if (next == nullptr) {
      started_ = started_ || sweeping_;
      sweeping_ = false;
      return;
    }
    spent += next->governed.wishes().size() + (next->governed.bound() ? 0 : bind_cost);
    spent += visit(*next, now) * write_cost;
  }
}

Overview Reconciler::overview(Time now) const {
  Overview overview;
  overview.policies.resize(policies_->policies().size());
  for (const auto& netns : netns_) {
    if (!netns) continue;
    netns->governed.add_to(overview);
    if (netns->governed.bound() && netns->governed.plan()->matched().empty()) ++overview.unmatched;
  }
  for (const Names& names : names_) {
    for (const auto& [text, name] : names) overview.pending += name->pending(now) ? 1 : 0;
  }
  return overview;
}

std::vector<const Reconciler::Netns*> Reconciler::in_order(Which which) const {
  std::vector<const Netns*> telling;
  for (const auto& netns : netns_) {
    if (netns && (which == Which::all || netns->governed.not_compliant() > 0)) telling.push_back(netns.get());
  }
  std::sort(telling.begin(), telling.end(), [](const Netns* a, const Netns* b) { return a->label() < b->label(); });
  return telling;
}

std::vector<Finding> Reconciler::findings(Which which, std::size_t cap) const {
  std::vector<Finding> findings;
  for (const Netns* netns : in_order(which)) {
    if (findings.size() >= cap) break;
    netns->governed.append_findings(netns->label(), which, cap, findings);
  }
  return findings;
}

std::vector<Observed> Reconciler::observations(std::size_t cap) const {
  std::vector<Observed> observations;
  if (!policies_->observes()) return observations;
  for (const Netns* netns : in_order(Which::all)) {
    if (netns->governed.bound()) cap -= netns->governed.append_observations(netns->label(), cap, observations);
  }
  return observations;
}

std::vector<NetnsDrift> Reconciler::drift_by_netns() const {
  std::vector<NetnsDrift> drift;
  for (const Netns* netns : in_order(Which::all)) netns->governed.append_drift(netns->label(), drift);
  return drift;
}

std::vector<KeyIndex> Reconciler::missing_everywhere() const { return census_->missing_everywhere(); }

const Resolution* Reconciler::resolution(std::string_view label) const {
  const auto has_label = [label](const auto& netns) { return netns && netns->label() == label; };
  const auto found = std::find_if(netns_.begin(), netns_.end(), has_label);
  return found == netns_.end() ? nullptr : &(*found)->governed.resolution();
}

std::vector<Reconciler::Known> Reconciler::known() const {
  std::vector<Known> known;
  for (const auto& netns : netns_) {
    if (!netns || !netns->governed.bound()) continue;
    const Name& name = *netns->names.front();
    known.push_back({{netns->governed.cookie(), netns->governed.inode()},
                     name.directory,
                     name.name,
                     name.label,
                     netns->governed.plan()->matched(),
                     &netns->governed.resolution()});
  }
  return known;
}

}  // namespace nswarden
