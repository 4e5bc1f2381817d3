// SPDX-License-Identifier: Apache-2.0
// The part of Loop that tells others what it is at: whoever asks over HTTP, and whoever started it.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include <nswarden/base/unix_time.hpp>
#include "daemon/loop.hpp"

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// So long may one sweep stand still, or the loop be late.
constexpr std::chrono::seconds patience{60};
constexpr milliseconds shortest_publish_gap{50};
constexpr milliseconds longest_publish_gap{500};
constexpr int publish_factor = 100;

}  // namespace

/// To whoever restarts a daemon that hangs. What is due is begun in the same turn, so that only a sweep can stand still.
void Loop::show_life(Time now) {
  parts_.service.send_again(now);
  const std::uint64_t progress = reconciler_->progress();
  if (reconciler_->sweeping() && progress == progress_shown_) return;
  progress_shown_ = progress;
  parts_.service.alive(now);
  parts_.slot.alive_until(std::max(now, now + until_next(now)) + patience);
}

/// A sweep leaves behind what waits for RTNL, and the rest of a netns in which there is much to write. Who asks whether all is as the
/// policy says, waits for that too, but not for ever.
void Loop::see_to_readiness(Time now) {
  if (!unsettled_ || (now < *unsettled_ && (reconciler_->work() || !slow_writer_.idle()))) return;
  unsettled_.reset();
  // Whoever was told that it is ready sees it so over HTTP too.
  if (!std::exchange(ready_, true)) publish(now);
  parts_.service.ready(service_status(reconciler_->overview(now).totals), now);
}

/// The line of `systemctl status`.
std::string Loop::service_status(const Totals& totals) const {
  std::string status = fmt::format("{} settings in {} netns", totals.settings, totals.netns);
  const std::size_t wrong = totals.settings - totals.compliant;
  status += wrong == 0 ? ", all compliant" : fmt::format(", {} not compliant", wrong);
  if (!config_.error.empty()) status += "; the configuration was refused, the last good one is in force";
  for (const SourceSnapshot& source : sources_) {
    if (!source.up) status += fmt::format("; {} is down", source.name);
  }
  return status;
}

void Loop::publish(Time now) {
  // The one before is freed here, not by the thread of lower priority that looked at it last: that would hold the lock of the memory.
  auto next = snapshot(now);
  parts_.slot.publish(next);
  before_published_ = std::exchange(published_, std::move(next));
  dirty_ = false;
  // It goes over everything, and events wait meanwhile.
  const Time end = Clock::now();
  next_publish_ =
      end + std::clamp<std::chrono::nanoseconds>((end - now) * publish_factor, shortest_publish_gap, longest_publish_gap);
}

std::shared_ptr<const Snapshot> Loop::snapshot(Time now) const {
  auto snapshot = std::make_shared<Snapshot>();
  const Overview overview = reconciler_->overview(now);
  snapshot->time = unix_time();
  snapshot->ready = ready_;
  snapshot->totals = overview.totals;
  snapshot->totals.fixed = report_log_.fixed();
  snapshot->totals.failed = report_log_.failed();
  const auto policies = policies_->policies();
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const Overview::OfPolicy& counts = overview.policies[i];
    snapshot->policies.push_back({policies[i].name, counts.netns, counts.settings, counts.not_compliant, counts.suspended,
                                  counts.conflicts, policies[i].mode == Mode::enforce});
  }
  snapshot->netns_unmatched = overview.unmatched;
  snapshot->netns_pending = overview.pending;
  snapshot->bound_sysctls = overview.held_keys;
  snapshot->dirfd_sysctls = overview.directory_keys;
  snapshot->commands_queued = commands_.queued();
  snapshot->commands_running = commands_.running();
  snapshot->series_limit = parts_.options.series_limit;
  const std::size_t most_shown = std::max(most_shown_drift, parts_.options.series_limit);
  snapshot->drift = writers_.with_writers(reconciler_->findings(WhichSettings::not_compliant, most_shown));
  for (DriftSnapshot& drift : snapshot->drift) {
    drift.since = snapshot->time - std::chrono::duration<double>(now - drift.finding.since).count();
  }
  const Totals& totals = overview.totals;
  snapshot->drift_hidden = totals.settings - totals.compliant - snapshot->drift.size();
  snapshot->observed = reconciler_->observations(parts_.options.series_limit);
  snapshot->observed_hidden = overview.observed;
  for (const Observed& observed : snapshot->observed) snapshot->observed_hidden -= observed.numbers.size();
  if (parts_.options.per_netns) snapshot->by_netns = reconciler_->drift_by_netns();
  snapshot->events = events_.newest();
  snapshot->sources = sources_;
  snapshot->unlisted = listings_;
  snapshot->hindrances = hindrances_;
  snapshot->config = config_;
  snapshot->last_reconcile_seconds = last_reconcile_;
  if (const auto stats = process_.read()) {
    snapshot->process = {stats->cpu_seconds,   stats->start_time_seconds, stats->resident_bytes,
                         stats->virtual_bytes, stats->open_fds,           stats->max_fds};
  }
  return snapshot;
}

}  // namespace nswarden
