// SPDX-License-Identifier: Apache-2.0
#include "daemon/sweeps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;

// Maximum delay of an event by a sweep. The clock is read after about `step_cost` keys.
constexpr std::chrono::microseconds slice_time{400};
constexpr std::size_t step_cost = 32;
// Upper bound on delaying readiness while writes wait for RTNL.
constexpr std::chrono::seconds settling{10};
// Hosts mount frequently (kernel fact 24). Minimum interval between full listings of bound names because of mounts.
constexpr std::chrono::milliseconds full_listing_gap{1000};

}  // namespace

void Sweeps::begin(Trigger trigger, Time now) {
  // A known name can only change its netns by a mount, and the mount table reports each mount. Without one, listing names is
  // enough.
  const bool sure = !parts_.sources.mounts_changed() && parts_.sources.netns().mounts_state().ok();
  trigger_ = trigger;
  next_ = now + parts_.in_force.sweep_interval();
  parts_.reconciler.begin_sweep();
  open_ = true;
  list(sure ? Detail::names : Detail::full, now);
  time_ = Clock::now() - now;
}

void Sweeps::list(Detail detail, Time now) {
  const auto failures = parts_.reconciler.list(detail, now);
  std::vector<SourceSnapshot> unlisted;
  unlisted.reserve(failures.size());
  for (const Listing::Failure& failure : failures) {
    unlisted.push_back(
        {parts_.sources.directories()[failure.directory], false,
         fmt::format("{}: {}; its known netns stay governed", failure.error.attempt, error_text(failure.error.code))});
  }
  parts_.publisher.set_unlisted(std::move(unlisted));
  if (detail == Detail::full) {
    last_full_listing_ = now;
    if (failures.empty()) parts_.sources.mounts_listed();
  }
  parts_.publisher.mark_changed();
}

void Sweeps::list_if_due(Time now) {
  if (parts_.sources.mounts_changed() && now >= last_full_listing_ + full_listing_gap) list(Detail::full, now);
}

void Sweeps::work(Time now) {
  Reconciler& reconciler = parts_.reconciler;
  if (reconciler.work()) {
    do reconciler.step(step_cost, Clock::now());
    while (reconciler.work() && Clock::now() - now < slice_time);
  }
  if (!open_) return;
  time_ += Clock::now() - now;
  parts_.publisher.take_reports();
  // An event may have ended the sweep: urgent work runs as soon as it is read.
  if (reconciler.sweeping()) return;
  open_ = false;
  finish();
  parts_.restorer.find_due(reconciler, Clock::now());
}

void Sweeps::finish() {
  parts_.metrics.reconciled(trigger_, time_);
  if (first_done_) last_time_ = time_;
  parts_.publisher.record_sweep();
  const Totals totals = parts_.reconciler.overview(Clock::now()).totals;
  const std::string netns = std::to_string(totals.netns);
  const std::string settings = std::to_string(totals.settings);
  const std::string compliant = std::to_string(totals.compliant);
  const LogLevel level = first_done_ ? LogLevel::debug : LogLevel::info;
  parts_.log.write(level, first_done_ ? "sweep done" : "first sweep done",
                   {{"trigger", to_string(trigger_)}, {"netns", netns}, {"settings", settings}, {"compliant", compliant}});
  if (!std::exchange(first_done_, true) || trigger_ == Trigger::reload) {
    unsettled_ = Clock::now() + settling;
  } else if (!unsettled_) {
    parts_.service.ready(parts_.publisher.service_status(totals), Clock::now());
  }
  review_policies(Clock::now());
}

void Sweeps::review_policies(Time now) {
  for (const UnusedPart& unused : review_.newly_unused(find_unused(parts_.reconciler, now), now)) {
    if (unused.key.empty()) {
      parts_.log.warn("policy has matched no netns for an hour", {{"policy", unused.policy}});
    } else if (const auto suggestion = suggest_key(unused.key)) {
      const std::string remedy = fmt::format("did you mean {}?", *suggestion);
      parts_.log.warn("sysctl not found in any netns", {{"policy", unused.policy}, {"key", unused.key}, {"remedy", remedy}});
    } else {
      parts_.log.warn("sysctl not found in any netns", {{"policy", unused.policy}, {"key", unused.key}});
    }
  }
}

/// After a sweep, writes may still wait for RTNL, and a netns with many writes may be unfinished. Readiness waits for these
/// too, for a limited time.
void Sweeps::report_ready_if_settled(Time now) {
  if (!unsettled_ || (now < *unsettled_ && (parts_.reconciler.work() || !parts_.slow_writer.idle()))) return;
  unsettled_.reset();
  parts_.publisher.set_ready(now);
  parts_.service.ready(parts_.publisher.service_status(parts_.reconciler.overview(now).totals), now);
}

void Sweeps::report_ready_again(Time now) {
  if (!parts_.publisher.ready() || unsettled_) return;
  parts_.service.ready(parts_.publisher.service_status(parts_.reconciler.overview(now).totals), Clock::now());
}

Time Sweeps::next_due() const {
  Time next = next_;
  if (parts_.sources.mounts_changed()) next = std::min(next, last_full_listing_ + full_listing_gap);
  return unsettled_ ? std::min(next, *unsettled_) : next;
}

}  // namespace nswarden
