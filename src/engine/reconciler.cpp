// SPDX-License-Identifier: Apache-2.0
#include <nswarden/engine/reconciler.hpp>

#include <algorithm>
#include <cerrno>
#include <span>

namespace nswarden {
namespace {

// Binding costs about as much as reading this many keys (kernel facts 11 and 12).
constexpr std::size_t bind_cost = 100;
// After a write, all keys are read again.
constexpr std::size_t write_cost = 64;
// Without a sign of a change, one in this many sweeps checks which keys the globs of a netns match.
constexpr std::uint64_t sweeps_per_glob_search = 8;

}  // namespace

Reconciler::Reconciler(NetnsCatalog& catalog, std::shared_ptr<const PolicySet> policies, Options options)
    : policies_(std::move(policies)),
      options_(options),
      names_(catalog, census_, *this),
      binder_(catalog, names_, options.fd_budget) {
  census_.reset(policies_->keys().size());
}

void Reconciler::set_policies(std::shared_ptr<const PolicySet> policies) {
  policies_ = std::move(policies);
  plans_.clear();
  census_.reset(policies_->keys().size());
  for (const auto& netns : names_.netns()) {
    if (!netns) continue;
    replan(*netns);
    // Commands are due for a new netns, not for a new policy.
    if (netns->announced.policies()) netns->announced.take_as_announced(netns->governed.matched());
  }
  announced_lives_.renumber(policies_->policies().size());
}

void Reconciler::touch(std::uint16_t directory, std::string_view name, Time now) {
  TrackedNetns* const netns = names_.touch(directory, name, now);
  // Even if the netns seems known: it may be the successor, with the same inode number (kernel fact 4).
  if (netns != nullptr) queues_.add(*netns, VisitQueues::fresh);
}

void Reconciler::check_pending(Time now) {
  for (const auto& [directory, name] : names_.take_pending(now)) touch(directory, name, now);
}

void Reconciler::on_write(std::uint64_t inode, std::size_t setting, Time now) {
  TrackedNetns* const netns = names_.find(inode);
  if (netns == nullptr || !netns->governed.reacts_to_write(setting, now)) return;
  if (!netns->write_seen) netns->write_seen = now;
  const auto end = netns->written_to.end();
  if (std::find(netns->written_to.begin(), end, setting) == end) netns->written_to.push_back(setting);
  queues_.add(*netns, VisitQueues::written_to);
}

void Reconciler::on_unplaced_write(std::string_view name, Time seen) {
  const auto has_key_of_that_name = [name](const KeyRequest& request) {
    const std::string_view path = request.key->path();
    return path.substr(path.rfind('/') + 1) == name;
  };
  std::map<const KeyRequest*, bool> affected;  // many netns share their wishes
  for (const auto& netns : names_.netns()) {
    if (!netns || !netns->governed.bound()) continue;
    const std::span<const KeyRequest> key_requests = netns->governed.key_requests();
    const auto [found, is_new] = affected.try_emplace(key_requests.data(), false);
    if (is_new) found->second = std::any_of(key_requests.begin(), key_requests.end(), has_key_of_that_name);
    if (!found->second) continue;
    if (!netns->write_seen) netns->write_seen = seen;
    queues_.add(*netns, VisitQueues::maybe_written_to);
  }
}

void Reconciler::on_links_changed(std::uint64_t inode) {
  TrackedNetns* const netns = names_.find(inode);
  if (netns == nullptr) return;
  netns->links_changed = true;
  queues_.add(*netns, VisitQueues::written_to);
}

void Reconciler::on_links_lost() {
  for (const auto& netns : names_.netns()) {
    if (netns) netns->links_changed = true;
  }
}

void Reconciler::written(std::uint64_t inode, std::size_t setting, int error) {
  TrackedNetns* const netns = names_.find(inode);
  if (netns == nullptr) return;
  netns->governed.written(setting, error);
  queues_.add(*netns, VisitQueues::written_to);
}

void Reconciler::name_added(TrackedNetns& netns) {
  replan(netns);
  queues_.add(netns, VisitQueues::fresh);
}

void Reconciler::netns_removed(TrackedNetns& netns) {
  binder_.release(netns);
  queues_.remove(netns);
  if (const auto& announced = netns.announced.policies()) announced_lives_.remember(netns.governed.cookie(), *announced);
  netns.governed.forget();
  if (netns.reported) report_life(netns.label(), Report::Life::gone);
}

void Reconciler::report_life(const std::string& label, Report::Life life) {
  Report& report = reports_.emplace_back();
  report.netns = label;
  report.life = life;
}

/// Derives the plan anew after a change of the netns' names or the policies.
void Reconciler::replan(TrackedNetns& netns) {
  std::vector<NetnsName> names;
  for (const TrackedName* name : netns.names) names.push_back({name->name, name->source});
  const std::vector<PolicyIndex> matched = policies_->match(names);
  auto& plan = plans_[matched];
  if (!plan) plan = std::make_shared<SharedPlan>(policies_, matched);
  if (netns.governed.plan() == plan.get() && netns.governed.bound()) return;
  binder_.unbind(netns);
  netns.governed.set_plan(*plan);
  netns.written_to.clear();  // indices of the old plan
  netns.announced.plan_changed();
  binder_.reserve(netns);
  queues_.add(netns, VisitQueues::fresh);
}

void Reconciler::begin_sweep() {
  names_.compact();
  census_.begin_sweep();
  ++sweep_;
  sweep_size_ = 0;
  sweep_done_ = 0;
  sweep_counted_ = false;
  sweeping_ = true;
}

void Reconciler::end_sweep() {
  started_ = started_ || sweeping_;
  sweeping_ = false;
}

/// Returns null when the sweep has been to every netns.
TrackedNetns* Reconciler::next_of_sweep() {
  while (sweep_done_ < sweep_size_) {
    ++progress_;
    // Each sweep begins with another netns, so that the search for a key missing everywhere does not always fall to the same
    // one.
    TrackedNetns* const next = names_.netns()[(sweep_ + sweep_done_++) % sweep_size_].get();
    if (next == nullptr || next->swept == sweep_) continue;
    if (next->governed.bound() && next->governed.key_requests().empty()) continue;
    next->queue = TrackedNetns::not_queued;
    return next;
  }
  return nullptr;
}

/// Queued netns take turns with the sweep, because they may be queued again endlessly, for example where a process keeps making
/// interfaces.
TrackedNetns* Reconciler::next_in_turn() {
  TrackedNetns* next = std::exchange(sweep_has_turn_, false) ? next_of_sweep() : nullptr;
  if (next != nullptr) return next;
  next = queues_.next(VisitQueues::maybe_written_to);
  sweep_has_turn_ = next != nullptr;
  return next != nullptr ? next : next_of_sweep();
}

void Reconciler::step(std::size_t cost, Time now) {
  std::size_t spent = 0;
  while (spent < cost) {
    TrackedNetns* next = queues_.next(VisitQueues::written_to);
    // Until all names have been checked, a netns may gain a name, and with it another policy.
    if (names_.checks_due() && (next == nullptr || !next->governed.bound())) {
      if (next != nullptr) queues_.add(*next, VisitQueues::fresh);
      names_.check_next(now);
      ++progress_;
      ++spent;
      continue;
    }
    if (next == nullptr && !std::exchange(sweep_counted_, true)) sweep_size_ = names_.netns().size();
    if (sweep_counted_ && sweep_done_ == sweep_size_) end_sweep();
    if (next == nullptr) next = next_in_turn();
    if (next == nullptr) return end_sweep();
    spent += next->governed.key_requests().size() + (next->governed.bound() ? 0 : bind_cost);
    spent += visit(*next, now) * write_cost;
  }
}

/// Returns the number of writes. The netns may be gone afterwards.
std::size_t Reconciler::visit(TrackedNetns& netns, Time now) {
  Report report;
  const std::size_t index = netns.index;
  recheck_links(netns);
  netns.swept = sweep_;
  const bool more = bind_and_visit(netns, report, now);
  if (names_.has(index)) {
    netns.write_seen.reset();
    netns.written_to.clear();
    netns.links_changed = false;
    queues_.wait(netns, netns.governed.retry_at());
    // Neither bound nor refused: its names change faster than they can be checked. It counts again after a successful visit.
    if (!netns.governed.bound() && !netns.governed.unreadable()) netns.governed.forget();
    // The keys that its globs match may need more fds than it may hold.
    if (netns.governed.bound() && (more || binder_.exceeds_budget(netns))) queues_.add(netns, VisitQueues::fresh);
  }
  const bool quiet = report.life == Report::Life::unchanged && report.changes.empty() && report.attempts.empty() &&
                     report.newly_matched.empty();
  const std::size_t writes = report.attempts.size();
  if (!quiet || report.first_seen) reports_.push_back(std::move(report));
  return writes;
}

/// Returns whether more writes are left. The netns may be gone afterwards.
bool Reconciler::bind_and_visit(TrackedNetns& netns, Report& report, Time now) {
  const std::size_t index = netns.index;
  if (netns.governed.bound() && binder_.should_rebind(netns)) binder_.unbind(netns);
  Tier best = Tier::held;
  std::optional<Error> search_error;
  for (int tries = 0; tries < 2; ++tries) {
    if (!netns.governed.bound() && !bind(netns, best, report, now)) break;
    report.netns = netns.label();
    report.inode = netns.governed.inode();
    report.cookie = netns.governed.cookie();
    report.source = source_of(netns, report.life);
    const VisitContext context{options_.damping, options_.tick, options_.write, now, netns.write_seen, netns.written_to};
    const Result<Visit::End> end = netns.governed.visit(context, report);
    binder_.recount(netns);
    if (end) {
      announce(netns, report);
      return *end == Visit::End::more;
    }
    binder_.unbind(netns);
    netns.written_to.clear();  // indices of the previous keys
    search_error.reset();
    if (end.error().code == ESTALE) continue;
    search_error = end.error();
    best = Tier::transient;
  }
  // The next event or sweep retries a stale binding; an unreachable netns is reported.
  if (search_error && names_.has(index)) netns.governed.cannot_enter(*search_error, now, report);
  return false;
}

/// Returns whether it is bound. Otherwise it is unreadable until a later visit, its names lead elsewhere, or it is gone.
bool Reconciler::bind(TrackedNetns& netns, Tier best, Report& report, Time now) {
  report.netns = netns.label();
  const Result<Binder::End> end = binder_.bind(netns, best, now);
  if (!end) {
    report.netns = netns.label();
    netns.governed.cannot_enter(end.error(), now, report);
    return false;
  }
  if (*end == Binder::End::first) {
    report.life = netns.governed.matched().empty() ? Report::Life::unmatched : Report::Life::governed;
    netns.reported = true;
    netns.announced.begin_life(announced_lives_.recall(netns.governed.cookie()));
  }
  return *end == Binder::End::first || *end == Binder::End::again;
}

/// The keys that its globs match mostly depend on its interfaces.
void Reconciler::recheck_links(TrackedNetns& netns) const {
  const bool complete = link_reports_complete_ && netns.links_followed && (sweep_ + netns.index) % sweeps_per_glob_search != 0;
  const bool in_sweep = netns.swept != sweep_;
  if (netns.links_changed || (in_sweep && !complete)) netns.governed.recheck_globs();
}

Source Reconciler::source_of(const TrackedNetns& netns, Report::Life life) const {
  if (!started_) return options_.resumed ? Source::reconcile : Source::startup;
  if (life == Report::Life::governed) return Source::create;
  return netns.write_seen || netns.links_changed ? Source::event : Source::reconcile;
}

/// Reports the policies that match it for the first time in its life, after a visit has made it comply as far as possible.
void Reconciler::announce(TrackedNetns& netns, Report& report) const {
  if (!netns.announced.open()) return;
  if (options_.resumed && !started_) return netns.announced.take_as_announced(netns.governed.matched());
  report.newly_matched = netns.announced.announce(netns.governed.matched());
}

Overview Reconciler::overview(Time now) const {
  Overview overview;
  overview.policies.resize(policies_->policies().size());
  for (const auto& netns : names_.netns()) {
    if (!netns) continue;
    netns->governed.add_to(overview);
    if (netns->governed.bound() && netns->governed.matched().empty()) ++overview.unmatched;
  }
  overview.pending = names_.pending(now);
  return overview;
}

std::vector<const TrackedNetns*> Reconciler::in_order(WhichSettings which) const {
  std::vector<const TrackedNetns*> listed;
  for (const auto& netns : names_.netns()) {
    if (netns && (which == WhichSettings::all || !netns->governed.settings().all_compliant())) listed.push_back(netns.get());
  }
  std::sort(listed.begin(), listed.end(), [](const auto* a, const auto* b) { return a->label() < b->label(); });
  return listed;
}

std::vector<Finding> Reconciler::findings(WhichSettings which, std::size_t cap) const {
  std::vector<Finding> findings;
  for (const TrackedNetns* netns : in_order(which)) {
    if (findings.size() >= cap) break;
    netns->governed.settings().append_findings(netns->label(), which, cap, findings);
  }
  return findings;
}

std::vector<Observed> Reconciler::observations(std::size_t cap) const {
  std::vector<Observed> observations;
  if (!policies_->observes()) return observations;
  for (const TrackedNetns* netns : in_order(WhichSettings::all)) {
    if (netns->governed.bound()) cap -= netns->governed.settings().append_observations(netns->label(), cap, observations);
  }
  return observations;
}

std::vector<NetnsDrift> Reconciler::drift_by_netns() const {
  std::vector<NetnsDrift> drift;
  for (const TrackedNetns* netns : in_order(WhichSettings::all)) netns->governed.append_drift(netns->label(), drift);
  return drift;
}

const Resolution* Reconciler::resolution(std::string_view label) const {
  const auto has_label = [label](const auto& netns) { return netns && netns->label() == label; };
  const auto all = names_.netns();
  const auto found = std::find_if(all.begin(), all.end(), has_label);
  return found == all.end() ? nullptr : &(*found)->governed.resolution();
}

std::vector<NamedNetns> Reconciler::known() const {
  std::vector<NamedNetns> known;
  for (const auto& netns : names_.netns()) {
    if (!netns || !netns->governed.bound()) continue;
    const TrackedName& name = *netns->names.front();
    const GovernedNetns& governed = netns->governed;
    const NetnsId id{governed.cookie(), governed.inode()};
    known.push_back({id, name.directory, name.name, name.label, governed.matched(), &governed.resolution()});
  }
  return known;
}

}  // namespace nswarden
