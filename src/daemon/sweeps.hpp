// SPDX-License-Identifier: Apache-2.0
// Sweeps over all netns: their schedule, the work of the current sweep and of queued netns, and the readiness of the daemon.
// Loop thread only.
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

  /// All members outlive the object.
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

  /// Begins a sweep; the sources are already watched.
  void begin(Trigger trigger, Time now);
  /// Lists the directories.
  void list(Detail detail, Time now);
  /// Lists the directories soon after a change of the mount table.
  void list_if_due(Time now);

  /// Runs one time slice of the current sweep and of queued netns.
  void work(Time now);
  /// Reports the daemon as ready once the first sweep, or the sweep of a reload, has settled.
  void report_ready_if_settled(Time now);
  /// Reports readiness again, with a new status, unless the report is still pending.
  void report_ready_again(Time now);

  /// Whether a sweep has begun and its end is not reported.
  [[nodiscard]] bool open() const { return open_; }
  /// Whether the first sweep is done.
  [[nodiscard]] bool first_done() const { return first_done_; }
  /// Duration of the last sweep; excludes the first one, which mostly binds netns.
  [[nodiscard]] std::chrono::nanoseconds last_time() const { return last_time_; }
  [[nodiscard]] bool due(Time now) const { return now >= next_ && !open_; }
  /// When any of these functions has work without an event.
  [[nodiscard]] Time next_due() const;

 private:
  void finish();
  void review_policies(Time now);

  Parts parts_;
  PolicyReview review_;
  Trigger trigger_ = Trigger::startup;
  bool first_done_ = false;
  bool open_ = false;
  std::optional<Time> unsettled_;  // deadline for settling after a first sweep or a reload
  std::chrono::nanoseconds time_{0};
  std::chrono::nanoseconds last_time_{0};
  Time next_;
  Time last_full_listing_;
};

}  // namespace nswarden
