// SPDX-License-Identifier: Apache-2.0
// Events that other processes can cause without end: their writes to sysctls, and interfaces that come and go; besides, the ends of
// our own slow writes. Visits the netns of each write at once, rests where the events are of no use, and has all netns searched for
// writes that cannot be placed, both at a bounded cost. Loop thread only.
#pragma once

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
#include "daemon/pace.hpp"
#include "daemon/publisher.hpp"
#include "daemon/sweeps.hpp"

namespace nswarden {

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

  /// Ends the rest of writes, or begins a search, when that is due. True when events were lost and a sweep is due for it.
  [[nodiscard]] bool resume_writes(Time now);
  void resume_links(Time now);
  /// When one of these has something to do.
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
