// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/reconciler.hpp>

#include "core/governed_netns.hpp"
#include "core/key_census.hpp"

#include <algorithm>
#include <cerrno>
#include <set>
#include <span>

namespace nswarden::core {
namespace {

// A name whose mount has not come after this long is a stale file (Neutron leaves them): still looked at by every sweep and after
// every change of the mount table, but no longer counted as pending.
constexpr std::chrono::seconds pending_for{10};
// Without any event a pending name is looked at after half its age, so that a lost event costs no more than what was waited already.
constexpr std::chrono::milliseconds shortest_pending_delay{5};
constexpr std::chrono::milliseconds longest_pending_delay{1000};
// Binding costs about as much as reading this many keys (kernel facts 11 and 12).
constexpr std::size_t bind_cost = 100;

bool out_of_files(const BindResult& result) {
  const auto* error = std::get_if<Error>(&result);
  return error != nullptr && (error->code == EMFILE || error->code == ENFILE);
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
    families.insert(std::string_view(key.path()).substr(0, key.path().find('/')));
  }
  shared->directories = families.size();
  return shared;
}

}  // namespace

struct Reconciler::NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

struct Reconciler::Name {
  std::uint16_t directory = 0;
  std::string name;
  std::string label;
  EntryKind kind = EntryKind::absent;
  Time since;                // when it became of this kind
  Netns* netns = nullptr;    // while it leads to one
  std::uint64_t listed = 0;  // number of the last listing that had it
  std::optional<Refusal> told;

  [[nodiscard]] bool pending(Time now) const { return kind == EntryKind::placeholder && now - since < pending_for; }
};

struct Reconciler::Netns {
  GovernedNetns governed;
  std::vector<Name*> names;  // never empty but on the way out; the first in byte order of the labels is shown
  std::size_t index = 0;     // into netns_
  std::size_t reserved = 0;  // its part of reserved_fds_
  std::size_t extra = 0;     // its part of extra_fds_
  std::uint64_t swept = 0;   // number of the last sweep in which it was visited
  bool queued = false;
  bool told = false;  // a report said that it is there

  [[nodiscard]] const std::string& label() const { return names.front()->label; }
};

Reconciler::Reconciler(NetnsCatalog& catalog, std::shared_ptr<const PolicySet> policies, Options options)
    : catalog_(catalog),
      policies_(std::move(policies)),
      options_(std::move(options)),
      census_(std::make_unique<KeyCensus>()),
      names_(options_.directories.size()) {
  census_->reset(policies_->keys().size());
}

Reconciler::~Reconciler() = default;

void Reconciler::set_policies(std::shared_ptr<const PolicySet> policies, Time now) {
  policies_ = std::move(policies);
  plans_.clear();
  census_->reset(policies_->keys().size());
  for (const auto& netns : netns_) {
    if (netns) replan(*netns, now);
  }
}

void Reconciler::touch(std::uint16_t directory, std::string_view name, Time now) {
  place(name_of(directory, name, now), catalog_.look(directory, name), now);
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

Result<void> Reconciler::list(NetnsCatalog::Detail detail, Time now) {
  const auto entries = catalog_.list(detail);
  if (!entries) return entries.error();
  ++listing_;
  for (const Entry& entry : *entries) {
    Name& name = name_of(entry.directory, entry.name, now);
    name.listed = listing_;
    if (detail == NetnsCatalog::Detail::full) {
      place(name, entry, now);
    } else if (name.netns == nullptr) {
      place(name, catalog_.look(entry.directory, entry.name), now);
    }
  }
  std::vector<Name*> vanished;
  std::size_t known = 0;
  for (const Names& names : names_) known += names.size();
  for (const Names& names : known == entries->size() ? std::span<const Names>() : std::span<const Names>(names_)) {
    for (const auto& [text, name] : names) {
      if (name->listed != listing_) vanished.push_back(name.get());
    }
  }
  for (Name* name : vanished) place(*name, catalog_.look(name->directory, name->name), now);
  return {};
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
  enqueue(*known);
}

void Reconciler::enqueue(Netns& netns) {
  if (std::exchange(netns.queued, true)) return;
  queue_.push_back(&netns);
}

void Reconciler::detach(Name& name, Time now) {
  Netns& netns = *std::exchange(name.netns, nullptr);
  if (netns.names.size() == 1) return drop(netns);
  std::erase(netns.names, &name);
  replan(netns, now);
}

void Reconciler::drop(Netns& netns) {
  unbind(netns);
  netns.governed.forget(context({}));
  if (netns.told) {
    Report report;
    report.netns = netns.label();
    report.life = Report::Life::gone;
    reports_.push_back(std::move(report));
  }
  for (Name* name : netns.names) name->netns = nullptr;
  by_inode_.erase(netns.governed.inode());
  std::erase(queue_, &netns);
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
  reserved_fds_ += plan->directories - netns.reserved;
  netns.reserved = plan->directories;
  enqueue(netns);
}

void Reconciler::unbind(Netns& netns) {
  netns.governed.unbind();
  extra_fds_ -= std::exchange(netns.extra, 0);
}

/// Every netns is sure of its directory fds before any may hold all its keys (kernel fact 20).
Tier Reconciler::best_tier(const Netns& netns) const {
  const std::size_t others = reserved_fds_ + extra_fds_ - netns.extra;
  const std::size_t extra = netns.governed.plan()->wishes.size() - netns.reserved;
  if (others + extra <= options_.fd_budget) return Tier::held;
  return others <= options_.fd_budget ? Tier::directories : Tier::transient;
}

GovernedContext Reconciler::context(Time now) { return {*census_, options_.write, now}; }

/// True when it is bound now. When not, it is unreadable until a later visit, or it has been dropped.
bool Reconciler::bind(Netns& netns, Report& report, Time now) {
  const std::size_t index = netns.index;
  // Names that lead elsewhere leave; one that keeps coming and going must not hold us here.
  for (std::size_t tries = netns.names.size() + 1; tries > 0; --tries) {
    Name& name = *netns.names.front();
    report.netns = name.label;
    Tier tier = best_tier(netns);
    BindResult result = catalog_.bind(name.directory, name.name, netns.governed.plan()->wishes, tier);
    while (out_of_files(result) && tier != Tier::transient) {
      tier = tier == Tier::held ? Tier::directories : Tier::transient;
      result = catalog_.bind(name.directory, name.name, netns.governed.plan()->wishes, tier);
    }
    if (const auto* error = std::get_if<Error>(&result)) {
      if (netns.governed.cannot_enter(*error, context(now), report)) {
        report.life = Report::Life::cannot_enter;
        report.error = *error;
      }
      return false;
    }
    auto* binding = std::get_if<Binding>(&result);
    if (binding != nullptr && binding->id.inode == netns.governed.inode()) {
      take(netns, std::move(*binding), tier, report, now);
      return true;
    }
    if (binding != nullptr) {
      place(name, catalog_.look(name.directory, name.name), now);
    } else {
      refuse(name, std::get<Refusal>(result), now);
    }
    if (!netns_[index]) return false;
  }
  return false;
}

void Reconciler::take(Netns& netns, Binding binding, Tier tier, Report& report, Time now) {
  if (netns.governed.bound_as(std::move(binding), tier, context(now))) {
    report.life = netns.governed.plan()->plan.policies.empty() ? Report::Life::unmatched : Report::Life::governed;
    netns.told = true;
  }
  if (tier == Tier::held) netns.extra = netns.governed.plan()->wishes.size() - netns.reserved;
  extra_fds_ += netns.extra;
}

/// What looked like a netns is none, or none yet, or none any more. The netns of `name` may be dropped afterwards, and `name` too.
void Reconciler::refuse(Name& name, Refusal refusal, Time now) {
  if (refusal == Refusal::absent || refusal == Refusal::not_ready) {
    return place(name, catalog_.look(name.directory, name.name), now);
  }
  if (std::exchange(name.told, refusal) != refusal && refusal == Refusal::host_netns) {
    Report report;
    report.netns = name.label;
    report.life = Report::Life::host_refused;
    reports_.push_back(std::move(report));
  }
  detach(name, now);
}

void Reconciler::visit(Netns& netns, Time now) {
  Report report;
  report.source = !started_ ? Source::startup : netns.told ? Source::reconcile : Source::create;
  netns.swept = sweep_;
  const std::size_t index = netns.index;
  if (netns.governed.bound() && better_elsewhere(netns)) unbind(netns);
  for (int tries = 0; tries < 2; ++tries) {
    if (!netns.governed.bound() && !bind(netns, report, now)) break;
    report.netns = netns.label();
    if (netns.governed.visit(context(now), report.source, report)) break;
    unbind(netns);
  }
  // Neither bound nor refused: it comes and goes faster than we look. It counts again when a visit succeeds.
  if (netns_[index] && !netns.governed.bound() && !netns.governed.unreadable()) netns.governed.forget(context(now));
  const bool quiet = report.life == Report::Life::unchanged && report.changes.empty() && report.attempts.empty();
  if (!quiet || report.first_seen) reports_.push_back(std::move(report));
}

/// Whether the fd budget asks for another tier than the one it has.
bool Reconciler::better_elsewhere(const Netns& netns) const {
  const Tier best = best_tier(netns);
  const Tier now = netns.governed.tier();
  return best < now || (now == Tier::held && best > now);
}

void Reconciler::begin_sweep() {
  std::erase(netns_, nullptr);
  for (std::size_t i = 0; i < netns_.size(); ++i) netns_[i]->index = i;
  census_->begin_sweep();
  ++sweep_;
  sweep_next_ = 0;
  sweeping_ = true;
}

void Reconciler::step(std::size_t cost, Time now) {
  std::size_t spent = 0;
  while (spent < cost && work()) {
    Netns* next = nullptr;
    if (!queue_.empty()) {
      next = queue_.front();
      queue_.pop_front();
      next->queued = false;
    } else if (sweep_next_ < netns_.size()) {
      next = netns_[sweep_next_++].get();
      if (next == nullptr || next->swept == sweep_) continue;
      if (next->governed.bound() && next->governed.plan()->wishes.empty()) continue;
    } else {
      sweeping_ = false;
      started_ = true;
      return;
    }
    spent += next->governed.plan()->wishes.size() + (next->governed.bound() ? 0 : bind_cost);
    visit(*next, now);
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
