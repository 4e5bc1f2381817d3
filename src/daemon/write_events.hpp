// SPDX-License-Identifier: Apache-2.0
// Events that other processes can cause indefinitely: sysctl writes, and interfaces that appear and vanish. Also handles the
// completion of the daemon's slow writes. Visits the netns of each write immediately, pauses unproductive sources, and searches
// all netns for writes that cannot be placed, both at a bounded cost. Loop thread only.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string>

#include <nswarden/engine/reconciler.hpp>
#include <nswarden/netns/slow_writer.hpp>
#include <nswarden/netns/sysctl_files.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/report/metrics.hpp>
#include "daemon/event_sources.hpp"
#include "daemon/publisher.hpp"
#include "daemon/sweeps.hpp"

namespace nswarden {

/// Limits unproductive time caused by other processes to 1/100 of a core, after a small free allowance. Pure; the caller passes
/// the time.
class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::nanoseconds;

  /// Records `spent` time of unproductive work ending at `now`; returns how long to pause, at most `longest_rest`.
  Duration rest_after(Duration spent, Time now) {
    left_ = std::min<Duration>(left_ + (now - last_) / share, free);
    last_ = now;
    left_ = std::max<Duration>(left_ - spent - wake_up, -longest_rest / share);
    return left_ < Duration(0) ? -left_ * share : Duration(0);
  }

  static constexpr int share = 100;
  /// The cost of a wake-up, which no clock of the daemon measures: 20 to 25 us of CPU.
  static constexpr Duration wake_up = std::chrono::microseconds(25);
  static constexpr Duration longest_rest = std::chrono::milliseconds(10);
  /// Other programs occasionally configure hundreds of netns in a burst, which should not delay the daemon.
  static constexpr Duration free = std::chrono::milliseconds(100);

 private:
  Duration left_ = free;
  Time last_;
};

class WriteEvents {
 public:
  /// All members outlive the object.
  struct Parts {
    SlowWriter& slow_writer;
    SysctlFiles& files;
    Reconciler& reconciler;
    Publisher& publisher;
    EventSources& sources;
    const Sweeps& sweeps;
    Metrics& metrics;
    Log& log;
  };
  explicit WriteEvents(Parts parts) : parts_(parts) {}

  void handle_writes();
  void handle_slow_writes();
  void handle_links();

  /// Ends pauses and begins a search when due. Returns true when events were lost and a sweep is due.
  [[nodiscard]] bool resume(Time now);
  /// When resume() has work.
  [[nodiscard]] std::optional<Time> due() const;

  /// Called when a sweep begins, which finds all lost changes.
  void clear_losses() { lost_ = false; }
  /// Ends a search that has visited every netns.
  void end_search();

 private:
  void note_loss(Time now);
  [[nodiscard]] std::chrono::nanoseconds search_gap() const;

  Parts parts_;
  Pace writes_pace_;
  Pace links_pace_;
  std::optional<Time> writes_paused_until_;  // reading is paused until then
  std::optional<Time> links_paused_until_;
  bool lost_ = false;                     // a sweep is due
  std::map<std::string, Time> unplaced_;  // names of keys written in an unknown netns, with the first time
  Time search_due_;                       // of a search, or of a sweep for lost events
  bool searching_ = false;                // a search is running
};

}  // namespace nswarden
