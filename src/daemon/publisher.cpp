// SPDX-License-Identifier: Apache-2.0
#include "daemon/publisher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <nswarden/netns/sysctl_watcher.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/os/process.hpp>

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds shortest_publish_gap{50};
constexpr milliseconds longest_publish_gap{500};
constexpr int publish_factor = 100;

}  // namespace

Publisher::Publisher(Parts parts)
    : parts_(parts), writers_(parts.files, describe_writer), report_log_(parts.metrics, parts.log, writers_, events_) {}

void Publisher::take_reports() {
  const Time now = Clock::now();
  const PolicySet& policies = *parts_.in_force.policies();
  for (const Report& report : parts_.reconciler.take_reports()) {
    report_log_.record(report, policies, now, unix_time());
    parts_.commands.handle_report(report);
    parts_.restorer.record_overwritten(report, policies);
    dirty_ = true;
  }
}

void Publisher::set_source_state(SourceSnapshot source) {
  auto known = std::find_if(sources_.begin(), sources_.end(), [&](const auto& one) { return one.name == source.name; });
  const bool was_up = known == sources_.end() || known->up;
  if (known == sources_.end()) known = sources_.insert(sources_.end(), SourceSnapshot{});
  if (was_up && !source.up) parts_.log.warn("event source down", {{"source", source.name}, {"reason", source.reason}});
  if (!was_up && source.up) parts_.log.info("event source up again", {{"source", source.name}});
  dirty_ = dirty_ || known->up != source.up;
  *known = std::move(source);
}

void Publisher::set_unlisted(std::vector<SourceSnapshot> unlisted) {
  for (const SourceSnapshot& one : unlisted) {
    const bool known = std::any_of(unlisted_.begin(), unlisted_.end(), [&](const SourceSnapshot& before) {
      return before.name == one.name && before.reason == one.reason;
    });
    if (!known) parts_.log.warn("cannot list netns directory", {{"directory", one.name}, {"reason", one.reason}});
  }
  unlisted_ = std::move(unlisted);
}

void Publisher::warn_missing_privileges() {
  const auto policies = parts_.in_force.policies()->policies();
  const bool writes =
      std::any_of(policies.begin(), policies.end(), [](const auto& policy) { return policy.mode == Mode::enforce; });
  if (!writes || !missing_privileges_.empty()) return;
  missing_privileges_ = missing_privileges();
  for (const std::string& missing_privilege : missing_privileges_)
    parts_.log.error("cannot repair settings", {{"reason", missing_privilege}});
}

void Publisher::record_reload(std::string_view problems) { events_.reloaded(unix_time(), problems); }

void Publisher::record_sweep() {
  last_sweep_ = unix_time();
  dirty_ = true;
}

/// Publishes before readiness is reported, so that a client of HTTP sees it too.
void Publisher::set_ready(Time now) {
  if (!std::exchange(ready_, true)) publish(now);
}

std::string Publisher::service_status(const Totals& totals) const {
  std::string status = fmt::format("{} settings in {} netns", totals.settings, totals.netns);
  const std::size_t noncompliant = totals.settings - totals.compliant;
  status += noncompliant == 0 ? ", all compliant" : fmt::format(", {} not compliant", noncompliant);
  if (!parts_.in_force.snapshot().error.empty()) status += "; configuration rejected, keeping the previous one";
  for (const SourceSnapshot& source : sources_) {
    if (!source.up) status += fmt::format("; {} is down", source.name);
  }
  return status;
}

void Publisher::publish(Time now) {
  // Frees the previous snapshot here. The last reader, a thread of lower priority, would hold the allocator's lock meanwhile.
  auto next = snapshot(now);
  parts_.slot.publish(next);
  before_published_ = std::exchange(published_, std::move(next));
  dirty_ = false;
  // A snapshot copies all state, and events wait meanwhile.
  const Time end = Clock::now();
  next_publish_ =
      end + std::clamp<std::chrono::nanoseconds>((end - now) * publish_factor, shortest_publish_gap, longest_publish_gap);
}

void Publisher::publish_if_due(Time now) {
  if (dirty_ && now >= next_publish_) publish(now);
}

std::shared_ptr<const Snapshot> Publisher::snapshot(Time now) const {
  auto snapshot = std::make_shared<Snapshot>();
  const Overview overview = parts_.reconciler.overview(now);
  snapshot->time = unix_time();
  snapshot->ready = ready_;
  snapshot->totals = overview.totals;
  snapshot->totals.fixed = report_log_.fixed();
  snapshot->totals.failed = report_log_.failed();
  const auto policies = parts_.in_force.policies()->policies();
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const Overview::OfPolicy& counts = overview.policies[i];
    snapshot->policies.push_back({policies[i].name, counts.netns, counts.settings, counts.not_compliant, counts.suspended,
                                  counts.conflicts, policies[i].mode == Mode::enforce});
  }
  snapshot->netns_unmatched = overview.unmatched;
  snapshot->netns_pending = overview.pending;
  snapshot->bound_sysctls = overview.held_keys;
  snapshot->dirfd_sysctls = overview.directory_keys;
  snapshot->commands_queued = parts_.commands.queued();
  snapshot->commands_running = parts_.commands.running();
  snapshot->series_limit = parts_.options.series_limit;
  const std::size_t max_shown = std::max(max_shown_drift, parts_.options.series_limit);
  snapshot->drift = writers_.with_writers(parts_.reconciler.findings(WhichSettings::not_compliant, max_shown));
  for (DriftSnapshot& drift : snapshot->drift) {
    drift.since = snapshot->time - std::chrono::duration<double>(now - drift.finding.since).count();
  }
  const Totals& totals = overview.totals;
  snapshot->drift_hidden = totals.settings - totals.compliant - snapshot->drift.size();
  snapshot->observed = parts_.reconciler.observations(parts_.options.series_limit);
  snapshot->observed_hidden = overview.observed;
  for (const Observed& observed : snapshot->observed) snapshot->observed_hidden -= observed.numbers.size();
  if (parts_.options.per_netns) snapshot->by_netns = parts_.reconciler.drift_by_netns();
  snapshot->events = events_.newest();
  snapshot->sources = sources_;
  snapshot->unlisted = unlisted_;
  snapshot->missing_privileges = missing_privileges_;
  snapshot->config = parts_.in_force.snapshot();
  snapshot->last_reconcile_seconds = last_sweep_;
  if (const auto stats = process_.read()) snapshot->process = *stats;
  return snapshot;
}

}  // namespace nswarden
