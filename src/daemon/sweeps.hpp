// SPDX-License-Identifier: Apache-2.0
// The sweeps over all netns: when the next is due, the work of the one that is going on and of queued netns, and when the daemon is
// ready. Loop thread only.
#pragma once

#include <chrono>
#include <optional>

#include <nswarden/engine/reconciler.hpp>
#include <nswarden/netns/slow_writer.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/report/metrics.hpp>
#include <nswarden/report/policy_review.hpp>
#include <nswarden/restore/restorer.hpp>
#include "daemon/event_sources.hpp"
#include "daemon/policies_in_force.hpp"
#include "daemon/publisher.hpp"
#include "daemon/service_notices.hpp"

namespace nswarden {

class Sweeps {
 public:
  using Detail = NetnsCatalog::Detail;

  /// All outlive it.
  struct Parts {
    const PoliciesInForce& in_force;
    const SlowWriter& slow_writer;
    Reconciler& reconciler;
    Restorer& restorer;
    Publisher& publisher;
    EventSources& sources;
    ServiceNotices& service;
    Metrics& metrics;
    Log& log;
  };
  explicit Sweeps(Parts parts) : parts_(parts) {}

  /// Begins one; the sources are watched already.
  void begin(Trigger trigger, Time now);
  /// Lists the directories.
  void list(Detail detail, Time now);
  /// The same, soon after a change of the mount table.
  void list_if_due(Time now);

  /// A time slice of a sweep and of queued netns.
  void work(Time now);
  /// Reports the daemon as ready once the first sweep, or that of a reload, has come to rest.
  void report_ready_if_settled(Time now);
  /// Reports it again, with another status; not while that is still to come.
  void report_ready_again(Time now);

  /// Whether one has begun and its end is not reported.
  [[nodiscard]] bool open() const { return open_; }
  /// Whether the first one is done.
  [[nodiscard]] bool first_done() const { return first_done_; }
  /// How long the last one took, but for the first, which is mostly binding.
  [[nodiscard]] std::chrono::nanoseconds last_time() const { return last_time_; }
  [[nodiscard]] bool due(Time now) const { return now >= next_ && !open_; }
  /// When any of the above has something to do without an event.
  [[nodiscard]] Time next_due() const;

 private:
  void finish();
  void review_policies(Time now);

  Parts parts_;
  PolicyReview review_;
  Trigger trigger_ = Trigger::startup;
  bool first_done_ = false;
  bool open_ = false;
  std::optional<Time> unsettled_;  // what a first sweep or a reload has begun is awaited until then
  std::chrono::nanoseconds time_{0};
  std::chrono::nanoseconds last_time_{0};
  Time next_;
  Time last_full_listing_;
};

}  // namespace nswarden
