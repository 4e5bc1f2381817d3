// SPDX-License-Identifier: Apache-2.0
// Events that other processes can cause without end: their writes to sysctls, and interfaces that come and go; besides, the ends of
// our own slow writes. Visits the netns of each write at once, rests where the events are of no use, and has all netns searched for
// writes that cannot be placed, both at a bounded cost. Loop thread only.
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

/// Bounds the time that other processes can make the daemon spend without use to a hundredth of a core, after a little that is free.
/// Pure; time is given.
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
  /// The cost of a wake-up, which no clock of the daemon includes: measured as 20 to 25 us of CPU.
  static constexpr Duration wake_up = std::chrono::microseconds(25);
  static constexpr Duration longest_rest = std::chrono::milliseconds(10);
  /// Other programs configure hundreds of netns at once now and then, which is not worth being late for.
  static constexpr Duration free = std::chrono::milliseconds(100);

 private:
  Duration left_ = free;
  Time last_;
};

class WriteEvents {
 public:
  /// All outlive it.
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

  void take_writes();
  void take_slow_writes();
  void take_links();

  /// Ends rests, or begins a search, when that is due. True when events were lost and a sweep is due for it.
  [[nodiscard]] bool resume(Time now);
  /// When resume() has something to do.
  [[nodiscard]] std::optional<Time> due() const;

  /// A sweep begins, which finds all that was lost.
  void forget_losses() { lost_ = false; }
  /// Ends a search that has looked everywhere.
  void end_search();

 private:
  void lose(Time now);
  [[nodiscard]] std::chrono::nanoseconds search_gap() const;

  Parts parts_;
  Pace writes_pace_;
  Pace links_pace_;
  std::optional<Time> writes_rest_until_;  // until then none are read
  std::optional<Time> links_rest_until_;
  bool lost_ = false;                     // a sweep is due for it
  std::map<std::string, Time> unplaced_;  // names of keys that were written in an unknown netns, with when first
  Time search_due_;                       // for either
  bool searching_ = false;                // for the latter, now
};

}  // namespace nswarden
