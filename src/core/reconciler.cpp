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

// Without any event a pending name is looked at after half its age, so that a lost event costs no more than what was waited already.
constexpr std::chrono::milliseconds shortest_pending_delay{5};
constexpr std::chrono::milliseconds longest_pending_delay{1000};
// Binding costs about as much as reading this many keys (kernel facts 11 and 12).
constexpr std::size_t bind_cost = 100;
// A write is seldom slow, but when it waits for RTNL it takes 100 ms (kernel fact 23): few of them in one step.
constexpr std::size_t write_cost = 64;

/// A key that every netns has.
const Key& sign_of_life() {
  static const Key key = std::get<Key>(Key::parse("net.ipv4.tcp_keepalive_time"));
  return key;
}

std::shared_ptr<const SharedPlan> share_plan(const std::shared_ptr<const PolicySet>& policies,
                                             const std::vector<PolicyIndex>& matched) {
  auto shared = std::make_shared<SharedPlan>();
  shared->policies = policies;
  shared->plan = policies->plan(matched);
  std::set<std::string_view> families;
  for (const PlannedSetting& setting : shared->plan.settings) {
    const Key& key = policies->keys()[setting.key];
    shared->wishes.push_back({&key, setting.mode == Mode::enforce});
    const std::string_view path = key.path();
    families.insert(path.substr(0, path.find('/')));
  }
  const bool has_commands = std::any_of(matched.begin(), matched.end(),
                                        [&](PolicyIndex policy) { return !policies->policies()[policy].commands->empty(); });
  if (shared->wishes.empty() && has_commands) {
    // Nothing else would tell that a netns has died and its inode number is used again (kernel facts 4 and 29).
    shared->wishes.push_back({&sign_of_life(), false});
    families.insert("ipv4");
  }
  shared->directories = families.size();
  return shared;
}

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

void Reconciler::touch(std::uint16_t directory, std::string_view name, Time now) {
  place(name_of(directory, name, now), catalog_.look(directory, name), now);
  // Also a netns that seems to be the one we know: it may be its successor, by the same inode number (kernel fact 4).
  const auto placed = names_[directory].find(name);
  if (placed != names_[directory].end() && placed->second->netns != nullptr) enqueue(*placed->second->netns, fresh);
}

void Reconciler::saw_write(std::uint64_t inode, std::size_t setting, Time now) {
  const auto known = by_inode_.find(inode);
  if (known == by_inode_.end() || !known->second->governed.minds(setting, now)) return;
  Netns& netns = *known->second;
  if (!netns.write_seen) netns.write_seen = now;
  enqueue(netns, written_to);
}

void Reconciler::saw_write_somewhere(std::string_view name, Time now) {
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
    if (!netns->write_seen) netns->write_seen = now;
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

Reconciler::Name& Reconciler::name_of(std::uint16_t directory, std::string_view name, Time now) {
  Names& names = names_[directory];
  if (const auto known = names.find(name); known != names.end()) return *known->second;
  auto fresh = std::make_unique<Name>();
  fresh->directory = directory;
  fresh->name = name;
  fresh->label = directory == 0 ? fresh->name : options_.directories[directory] + '/' + fresh->name;
  fresh->since = now;
  return *names.emplace(std::string(name), std::move(fresh)).first->second;
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
    if (detail == NetnsCatalog::Detail::full || name.netns == nullptr) to_look_.push_back(std::move(entry));
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
      std::upper_bound(names.begin(), names.end(), &name, [](const Name* a, const Name* b) { return a->label < b->label; }),
      &name);
  replan(*known, first_seen);
  // Also when nothing seems to have changed: the one known by this inode may have died, and this be its successor (kernel fact 4).
  enqueue(*known, fresh);
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
  std::vector<std::string_view> names;
  for (const Name* name : netns.names) names.emplace_back(name->name);
  const std::vector<PolicyIndex> matched = policies_->match(names);
  auto& plan = plans_[matched];
  if (!plan) plan = share_plan(policies_, matched);
  if (netns.governed.plan() == plan.get() && netns.governed.bound()) return;
  unbind(netns);
  netns.governed.set_plan(plan, context(now));
  netns.unannounced = true;
  reserved_fds_ += plan->directories - netns.reserved;
  netns.reserved = plan->directories;
  enqueue(netns, fresh);
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
    Netns* next = next_queued(fresh);
    if (next == nullptr && looked_ < to_look_.size()) {
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
