// SPDX-License-Identifier: Apache-2.0
#include "daemon/write_events.hpp"

#include <algorithm>
#include <utility>

#include <nswarden/os/process.hpp>

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Any user can create a netns and write there. Searching all netns for such writes may use at most 1/50 of a core.
constexpr int search_factor = 50;
constexpr milliseconds shortest_search_gap{1000};
constexpr milliseconds longest_search_gap{60'000};

/// Limits the cost of a process that writes to procfs in a tight loop, fights in vain, or creates and removes interfaces.
std::optional<Time> pause_end(Pace& pace, Time began) {
  const Time now = Clock::now();
  const nanoseconds rest = pace.rest_after(now - began, now);
  return rest == nanoseconds(0) ? std::nullopt : std::optional(now + rest);
}

}  // namespace

void WriteEvents::handle_writes() {
  const Time began = Clock::now();
  handle_slow_writes();  // first, or their values would look like writes of another process
  const std::size_t attempts = parts_.publisher.attempts();
  SysctlWrites seen = parts_.sources.writes().read();
  for (const SysctlWrite& write : seen.writes) {
    if (write.place) {
      parts_.reconciler.on_write(write.place->netns, write.place->key, began);
    } else {
      unplaced_.try_emplace(write.name, began);
    }
  }
  const std::size_t count = seen.writes.size();
  parts_.publisher.writers().add_writes(std::move(seen.writes), unix_time());
  while (parts_.reconciler.urgent()) parts_.reconciler.step(1, Clock::now());
  parts_.publisher.take_reports();
  parts_.publisher.writers().end_turn();
  if (count > 0) parts_.metrics.event("sysctl", "write", count);
  if (seen.lost) {
    parts_.metrics.overflow("sysctl");
    parts_.log.limited("sysctl overflow", LogLevel::warn, "sysctl write events lost, rescanning all netns");
    note_loss(began);
  }
  if (parts_.sources.writes().fd() < 0) return parts_.sources.watch_writes();
  if (!seen.foreign || parts_.publisher.attempts() > attempts) return;
  writes_paused_until_ = pause_end(writes_pace_, began);
  if (writes_paused_until_) parts_.sources.pause_writes(true);
}

/// Only a sweep finds the events that the kernel dropped. Losses must not cause continuous sweeps, however frequent they are.
void WriteEvents::note_loss(Time now) {
  lost_ = true;
  search_due_ = std::max(search_due_, now);
}

/// Minimum interval between searches or sweeps that other processes can cause indefinitely.
nanoseconds WriteEvents::search_gap() const {
  return std::clamp<nanoseconds>(parts_.sweeps.last_time() * search_factor, shortest_search_gap, longest_search_gap);
}

std::optional<Time> WriteEvents::due() const {
  std::optional<Time> due = writes_paused_until_;
  if (lost_ || !unplaced_.empty()) due = std::min(due.value_or(search_due_), search_due_);
  return links_paused_until_ ? std::min(due.value_or(*links_paused_until_), *links_paused_until_) : due;
}

bool WriteEvents::resume(Time now) {
  if (writes_paused_until_ && now >= *writes_paused_until_) {
    writes_paused_until_.reset();
    parts_.sources.pause_writes(false);
  }
  if (links_paused_until_ && now >= *links_paused_until_) {
    links_paused_until_.reset();
    parts_.sources.pause_links(false);
  }
  if (now < search_due_) return false;
  if (lost_) {
    // The current sweep must end before another begins, or none would ever finish.
    if (parts_.reconciler.sweeping()) return false;
    search_due_ = now + search_gap();
    return true;
  }
  if (unplaced_.empty()) return false;
  search_due_ = now + search_gap();
  for (const auto& [name, first_seen] : unplaced_) parts_.reconciler.on_unplaced_write(name, first_seen);
  unplaced_.clear();
  searching_ = true;
  return false;
}

/// A write that one search cannot place stays unplaced; searching is expensive (kernel fact 11).
void WriteEvents::end_search() {
  if (!searching_ || parts_.reconciler.work() || !unplaced_.empty()) return;
  searching_ = false;
  parts_.publisher.writers().end_search();
  parts_.files.clear_unknown_inodes();
}

void WriteEvents::handle_links() {
  const Time began = Clock::now();
  const std::size_t attempts = parts_.publisher.attempts();
  const LinkChanges seen = parts_.sources.links().read();
  for (const std::uint64_t netns : seen.netns) parts_.reconciler.on_links_changed(netns);
  while (parts_.reconciler.urgent()) parts_.reconciler.step(1, Clock::now());
  parts_.publisher.take_reports();
  if (seen.events > 0) {
    parts_.metrics.event("netlink", "link", seen.events);
    parts_.publisher.mark_changed();  // reports omit the settings of a removed interface
  }
  if (seen.lost) {
    parts_.metrics.overflow("netlink");
    parts_.log.limited("netlink overflow", LogLevel::warn, "interface events lost, rescanning all netns");
    parts_.reconciler.on_links_lost();
    note_loss(began);
  }
  if (parts_.sources.links().fd() < 0) return parts_.sources.watch_links();
  if (parts_.publisher.attempts() > attempts) return;
  links_paused_until_ = pause_end(links_pace_, began);
  if (links_paused_until_) parts_.sources.pause_links(true);
}

void WriteEvents::handle_slow_writes() {
  for (const SlowWriter::Done& done : parts_.slow_writer.take_done()) {
    parts_.reconciler.written(done.place.netns, done.place.key, done.error);
  }
}

}  // namespace nswarden
