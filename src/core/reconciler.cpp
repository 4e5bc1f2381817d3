// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/reconciler.hpp>

#include "core/announced.hpp"
#include "core/governed_netns.hpp"
#include "core/key_census.hpp"
#include "core/reconciler_state.hpp"

#include <algorithm>
#include <cerrno>
#include <set>
#include <span>

namespace nswarden::core {
namespace {

// Binding costs about as much as reading this many keys (kernel facts 11 and 12).
constexpr std::size_t bind_cost = 100;
// After a write everything is read again.
constexpr std::size_t write_cost = 64;

}  // namespace

Reconciler::Reconciler(NetnsCatalog& catalog, std::shared_ptr<const PolicySet> policies, Options options)
    : catalog_(catalog),
      policies_(std::move(policies)),
      options_(std::move(options)),
      census_(std::make_unique<KeyCensus>()),
      announced_lives_(std::make_unique<AnnouncedLives>()),
      names_(options_.directories.size()) {
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
    netns->announced = netns->governed.plan()->plan.policies;
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
  const auto has_it = [name](const NetnsCatalog::Wish& wish) {
    const std::string_view path = wish.key->path();
    return path.substr(path.rfind('/') + 1) == name;
  };
  std::map<const SharedPlan*, bool> concerned;
  for (const auto& netns : netns_) {
    if (!netns || !netns->governed.bound()) continue;
    const SharedPlan* plan = netns->governed.plan();
    const auto [of_plan, is_new] = concerned.try_emplace(plan, false);
    if (is_new) of_plan->second = std::any_of(plan->wishes.begin(), plan->wishes.end(), has_it);
    if (!of_plan->second) continue;
    if (!netns->write_seen) netns->write_seen = seen;
    enqueue(*netns, unsure);
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
  sweep_size_ = netns_.size();
  sweep_done_ = 0;
  sweeping_ = true;
}

void Reconciler::step(std::size_t cost, Time now) {
  std::size_t spent = 0;
  while (spent < cost) {
    Netns* next = next_queued(written_to);
    // Until all names have been looked at, a netns may have one more, and with it another policy.
    if (looked_ < to_look_.size() && (next == nullptr || !next->governed.bound())) {
      if (next != nullptr) enqueue(*next, fresh);
      look_again(to_look_[looked_++], now);
      ++spent;
      continue;
    }
    if (next == nullptr) next = next_queued(unsure);
    if (next == nullptr && sweep_done_ < sweep_size_) {
      // Each sweep begins with another netns, so that none is always the first to be asked for a key that is missing everywhere.
      next = netns_[(sweep_ + sweep_done_++) % sweep_size_].get();
      if (next == nullptr || next->swept == sweep_) continue;
      if (next->governed.bound() && next->governed.plan()->wishes.empty()) continue;
    }
    if (next == nullptr) {
      started_ = started_ || sweeping_;
      sweeping_ = false;
      return;
    }
    spent += next->governed.plan()->wishes.size() + (next->governed.bound() ? 0 : bind_cost);
    spent += visit(*next, now) * write_cost;
  }
}

Overview Reconciler::overview(Time now) const {
  Overview overview;
  overview.policies.resize(policies_->policies().size());
  for (const auto& netns : netns_) {
    if (!netns) continue;
    netns->governed.add_to(overview);
    if (netns->governed.bound() && netns->governed.plan()->plan.policies.empty()) ++overview.unmatched;
  }
  for (const Names& names : names_) {
    for (const auto& [text, name] : names) overview.pending += name->pending(now) ? 1 : 0;
  }
  return overview;
}

std::vector<Finding> Reconciler::findings(Which which, std::size_t cap) const {
  std::vector<const Netns*> telling;
  for (const auto& netns : netns_) {
    if (netns && (which == Which::all || netns->governed.not_compliant() > 0)) telling.push_back(netns.get());
  }
  std::sort(telling.begin(), telling.end(), [](const Netns* a, const Netns* b) { return a->label() < b->label(); });
  std::vector<Finding> findings;
  for (const Netns* netns : telling) {
    if (findings.size() >= cap) break;
    netns->governed.append_findings(netns->label(), which, cap, findings);
  }
  return findings;
}

}  // namespace nswarden::core
