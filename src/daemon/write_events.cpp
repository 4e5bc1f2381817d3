// SPDX-License-Identifier: Apache-2.0
// The part of Loop that sees what others write to sysctls, what the slow writer has written, and which interfaces come and go.
#include <poll.h>

#include <algorithm>
#include <utility>

#include <nswarden/netns/sysctl_files.hpp>
#include <nswarden/os/unix_time.hpp>
#include "daemon/loop.hpp"
#include "daemon/loop_tokens.hpp"

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Anybody can make a netns of his own and write there. To look for such a write in all netns may cost a fiftieth of a core.
constexpr int search_factor = 50;
constexpr milliseconds shortest_search_gap{1000};
constexpr milliseconds longest_search_gap{60'000};

}  // namespace

void Loop::take_writes() {
  const Time began = Clock::now();
  take_slow_writes();  // first, or what they set right looks as if somebody else had
  const std::size_t attempts = report_log_.fixed() + report_log_.failed();
  SysctlWrites seen = sysctl_watcher_.read();
  for (const SysctlWrite& write : seen.writes) {
    if (write.place) {
      reconciler_->saw_write(write.place->netns, write.place->key, began);
    } else {
      unplaced_.try_emplace(write.name, began);
    }
  }
  const std::size_t count = seen.writes.size();
  writers_.take(std::move(seen.writes), unix_time());
  while (reconciler_->urgent()) reconciler_->step(1, Clock::now());
  tell_reports();
  writers_.end_turn();
  if (count > 0) parts_.metrics.event("sysctl", "write", count);
  if (seen.lost) lose_writes(began);
  if (sysctl_watcher_.fd() < 0) return watch_writes();
  if (!seen.foreign || report_log_.fixed() + report_log_.failed() > attempts) return;
  // Whoever writes to procfs in a tight loop, or fights in vain, must not keep us busy.
  const Time now = Clock::now();
  const nanoseconds rest = pace_.rest_after(now - began, now);
  if (rest == nanoseconds(0)) return;
  writes_rest_until_ = now + rest;
  poller_.remove(sysctl_watcher_.fd());
}

/// The kernel dropped events: only a sweep tells what they were. However often that happens, sweeps must not be all that we do.
void Loop::lose_writes(Time now) {
  parts_.metrics.overflow("sysctl");
  parts_.log.limited("sysctl overflow", LogLevel::warn, "events of writes to sysctls were lost; everything is looked at again");
  writes_lost_ = true;
  search_due_ = std::max(search_due_, now);
}

/// How long what others can cause without end must wait for its next turn.
nanoseconds Loop::search_gap() const {
  return std::clamp<nanoseconds>(last_sweep_time_ * search_factor, shortest_search_gap, longest_search_gap);
}

std::optional<Time> Loop::writes_due() const {
  std::optional<Time> due = writes_rest_until_;
  if (writes_lost_ || !unplaced_.empty()) due = std::min(due.value_or(search_due_), search_due_);
  return due;
}

void Loop::see_to_writes(Time now) {
  if (writes_rest_until_ && now >= *writes_rest_until_) {
    writes_rest_until_.reset();
    watch_writes();
  }
  if (now < search_due_) return;
  if (writes_lost_) {
    // The one under way has to end before another begins, or else none ever ends.
    if (reconciler_->sweeping()) return;
    search_due_ = now + search_gap();
    begin_sweep(Trigger::lost, now);
  } else if (!unplaced_.empty()) {
    search_due_ = now + search_gap();
    for (const auto& [name, first_seen] : unplaced_) reconciler_->saw_write_somewhere(name, first_seen);
    unplaced_.clear();
    searching_ = true;
  }
}

/// What a search could not place will not be placed later, and looking for it is not cheap (kernel fact 11).
void Loop::end_search() {
  if (!searching_ || reconciler_->work() || !unplaced_.empty()) return;
  searching_ = false;
  writers_.end_search();
  parts_.catalog.sysctl_files().forget_strangers();
}

/// Whoever makes and removes interfaces in a tight loop must not keep us busy.
void Loop::take_links() {
  const Time began = Clock::now();
  const std::size_t attempts = report_log_.fixed() + report_log_.failed();
  const LinkChanges seen = link_watcher_.read();
  for (const std::uint64_t netns : seen.netns) reconciler_->saw_links(netns);
  while (reconciler_->urgent()) reconciler_->step(1, Clock::now());
  tell_reports();
  if (seen.events > 0) {
    parts_.metrics.event("netlink", "link", seen.events);
    dirty_ = true;  // what went with an interface is in no report
  }
  if (seen.lost) {
    parts_.metrics.overflow("netlink");
    parts_.log.limited("netlink overflow", LogLevel::warn, "events of interfaces were lost; everything is looked at again");
    reconciler_->lost_links();
    writes_lost_ = true;
    search_due_ = std::max(search_due_, began);
  }
  if (link_watcher_.fd() < 0) return watch_links();
  if (report_log_.fixed() + report_log_.failed() > attempts) return;
  const Time now = Clock::now();
  const nanoseconds rest = link_pace_.rest_after(now - began, now);
  if (rest == nanoseconds(0)) return;
  links_rest_until_ = now + rest;
  poller_.remove(link_watcher_.fd());
}

void Loop::see_to_links(Time now) {
  if (!links_rest_until_ || now < *links_rest_until_) return;
  links_rest_until_.reset();
  watch_links();
}

void Loop::watch_links() {
  std::string problem = link_watcher_.problem();
  if (!links_rest_until_) {
    const auto polled = watch(link_watcher_.fd(), POLLIN, links_token);
    if (problem.empty() && !polled) problem = std::string(polled.error().attempt) + "; it is tried again";
  }
  reconciler_->trust_links(problem.empty());
  tell_source({"netlink", problem.empty(), problem});
}

void Loop::take_slow_writes() {
  for (const SlowWriter::Done& done : slow_writer_.take_done()) {
    reconciler_->written(done.place.netns, done.place.key, done.error);
  }
}

void Loop::watch_writes() {
  std::string problem = sysctl_watcher_.problem();
  if (!writes_rest_until_) {
    const auto polled = watch(sysctl_watcher_.fd(), POLLIN, writes_token);
    if (problem.empty() && !polled) problem = std::string(polled.error().attempt) + "; it is tried again";
  }
  if (problem.empty()) problem = deaf_;
  tell_source({"sysctl", problem.empty(), problem});
}

}  // namespace nswarden
