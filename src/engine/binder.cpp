// SPDX-License-Identifier: Apache-2.0
// The part of Reconciler that binds netns and visits them.
#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "engine/announced.hpp"
#include "engine/governed_netns.hpp"
#include "engine/key_census.hpp"
#include "engine/name_table.hpp"

namespace nswarden {
namespace {

// Without any sign of a change, what globs stand for is looked at by one of so many sweeps.
constexpr std::uint64_t sweeps_a_look = 8;

bool out_of_files(const BindResult& result) {
  const auto* error = std::get_if<Error>(&result);
  return error != nullptr && (error->code == EMFILE || error->code == ENFILE);
}

}  // namespace

void Reconciler::unbind(Netns& netns) {
  netns.governed.unbind();
  extra_fds_ -= std::exchange(netns.extra, 0);
}

/// What it would hold in Tier::held beyond what is reserved for it.
std::size_t Reconciler::held_above_reserve(const Netns& netns) {
  const std::size_t held = netns.governed.wishes().size() + netns.governed.plan()->looked_into();
  return held > netns.reserved ? held - netns.reserved : 0;
}

/// Every netns is sure of its directory fds before any may hold all its keys (kernel fact 20).
Tier Reconciler::best_tier(const Netns& netns) const {
  const std::size_t others = reserved_fds_ + extra_fds_ - netns.extra;
  const std::size_t extra = held_above_reserve(netns);
  if (others + extra <= options_.fd_budget) return Tier::held;
  return others <= options_.fd_budget ? Tier::directories : Tier::transient;
}

GovernedContext Reconciler::context(Time now) const { return {*census_, options_.damping, options_.tick, options_.write, now}; }

/// True when it is bound now. When not, it is unreadable until a later visit, or it has been dropped.
bool Reconciler::bind(Netns& netns, Tier best, Report& report, Time now) {
  const std::size_t index = netns.index;
  // Names that lead elsewhere leave; one that keeps coming and going must not hold us here.
  for (std::size_t tries = netns.names.size() + 1; tries > 0; --tries) {
    Name& name = *netns.names.front();
    report.netns = name.label;
    Tier tier = std::max(best, best_tier(netns));
    BindResult result = catalog_.bind(name.directory, name.name, netns.governed.wishes(), tier);
    while (out_of_files(result) && tier != Tier::transient) {
      tier = tier == Tier::held ? Tier::directories : Tier::transient;
      result = catalog_.bind(name.directory, name.name, netns.governed.wishes(), tier);
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
      if (drop_strays(netns, now)) continue;
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

/// Names are put together by the inode number. One that an unmount took away, which no event tells (kernel fact 2), may still be
/// here when the number is another netns' (fact 4), and that must not be governed as the dead one was. True when any was.
bool Reconciler::drop_strays(Netns& netns, Time now) {
  const std::vector<Name*> others(netns.names.begin() + 1, netns.names.end());
  for (Name* name : others) place(*name, catalog_.look(name->directory, name->name), now);
  return netns.names.size() != others.size() + 1;
}

void Reconciler::take(Netns& netns, Binding binding, Tier tier, Report& report, Time now) {
  netns.links_told = binding.links_told;
  if (netns.governed.bound_as(std::move(binding), tier, context(now))) {
    report.life = netns.governed.plan()->matched().empty() ? Report::Life::unmatched : Report::Life::governed;
    netns.told = true;
    const auto announced = announced_lives_->recall(netns.governed.cookie());
    netns.announced = announced.value_or(std::vector<PolicyIndex>{});
    netns.introduced = announced.has_value();
    netns.unannounced = true;
  }
  count_fds(netns);
}

/// As it is bound now, with what its globs stand for.
void Reconciler::count_fds(Netns& netns) {
  extra_fds_ -= netns.extra;
  const bool holds_keys = netns.governed.bound() && netns.governed.tier() == Tier::held;
  netns.extra = holds_keys ? held_above_reserve(netns) : 0;
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

/// Says which policies match it for the first time in its life, now that it is as they want it, as far as that can be had.
void Reconciler::announce(Netns& netns, Report& report) const {
  if (!std::exchange(netns.unannounced, false)) return;
  const std::vector<PolicyIndex>& matched = netns.governed.plan()->matched();
  netns.introduced = true;
  if (options_.resumed && !started_) {
    netns.announced = matched;
    return;
  }
  std::set_difference(matched.begin(), matched.end(), netns.announced.begin(), netns.announced.end(),
                      std::back_inserter(report.newly_matched));
  std::vector<PolicyIndex> all;
  std::set_union(matched.begin(), matched.end(), netns.announced.begin(), netns.announced.end(), std::back_inserter(all));
  netns.announced = std::move(all);
}

Source Reconciler::source_of(const Netns& netns, Report::Life life) const {
  if (!started_) return options_.resumed ? Source::reconcile : Source::startup;
  if (life == Report::Life::governed) return Source::create;
  return netns.write_seen || netns.links_changed ? Source::event : Source::reconcile;
}

/// Which keys its globs stand for depends on its interfaces, mostly.
void Reconciler::see_to_links(Netns& netns) const {
  const bool sure = links_trusted_ && netns.links_told && (sweep_ + netns.index) % sweeps_a_look != 0;
  const bool in_sweep = netns.swept != sweep_;
  if (netns.links_changed || (in_sweep && !sure)) netns.governed.look_again();
}

/// How many writes it took.
std::size_t Reconciler::visit(Netns& netns, Time now) {
  Report report;
  see_to_links(netns);
  netns.swept = sweep_;
  netns.queue = none;
  const std::size_t index = netns.index;
  if (netns.governed.bound() && better_elsewhere(netns)) unbind(netns);
  Tier best = Tier::held;
  for (int tries = 0; tries < 2; ++tries) {
    if (!netns.governed.bound() && !bind(netns, best, report, now)) break;
    report.netns = netns.label();
    report.inode = netns.governed.inode();
    report.cookie = netns.governed.cookie();
    report.source = source_of(netns, report.life);
    GovernedContext visiting = context(now);
    visiting.write_seen = netns.write_seen;
    visiting.written_to = netns.written_to;
    const bool done = netns.governed.visit(visiting, report);
    count_fds(netns);
    if (done) {
      announce(netns, report);
      break;
    }
    unbind(netns);
    netns.written_to.clear();  // as the keys were counted until then
    if (netns.governed.look_error()) best = Tier::transient;
  }
  // A binding that is stale is tried again by whatever comes next; one that cannot be had must be told.
  const auto& error = netns_[index] ? netns.governed.look_error() : std::optional<Error>{};
  if (error && !netns.governed.bound() && netns.governed.cannot_enter(*error, context(now), report)) {
    report.life = Report::Life::cannot_enter;
    report.error = *error;
  }
  // Neither bound nor refused: it comes and goes faster than we look. It counts again when a visit succeeds.
  if (netns_[index] && !netns.governed.bound() && !netns.governed.unreadable()) netns.governed.forget(context(now));
  if (netns_[index]) {
    netns.write_seen.reset();
    netns.written_to.clear();
    netns.links_changed = false;
    wait_for_retry(netns);
    // What its globs stand for may take more files than it may hold.
    const bool holds_too_much = netns.governed.tier() == Tier::held && best_tier(netns) != Tier::held;
    if (netns.governed.bound() && (netns.governed.more() || holds_too_much)) enqueue(netns, fresh);
  }
  const bool quiet = report.life == Report::Life::unchanged && report.changes.empty() && report.attempts.empty() &&
                     report.newly_matched.empty();
  const std::size_t writes = report.attempts.size();
  if (!quiet || report.first_seen) reports_.push_back(std::move(report));
  return writes;
}

/// Whether the fd budget asks for another tier than the one it has.
bool Reconciler::better_elsewhere(const Netns& netns) const {
  const Tier best = best_tier(netns);
  const Tier now = netns.governed.tier();
  return best < now || (now == Tier::held && best > now);
}

}  // namespace nswarden
