// SPDX-License-Identifier: Apache-2.0
// Publishes all output of the daemon. Forwards reports to the log, metrics, events, commands and the restorer, keeps the state
// of event sources, and publishes rate-limited snapshots after changes. Loop thread only; HTTP threads read the snapshots.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/commands/commands.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/report/event_log.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/report/metrics.hpp>
#include <nswarden/report/report_log.hpp>
#include <nswarden/report/snapshot.hpp>
#include <nswarden/report/writers.hpp>
#include <nswarden/restore/restorer.hpp>
#include "daemon/policies_in_force.hpp"

namespace nswarden {

class Publisher {
 public:
  /// All members outlive the object.
  struct Parts {
    const DaemonOptions& options;
    const PoliciesInForce& in_force;
    Reconciler& reconciler;
    Commands& commands;
    Restorer& restorer;
    const SysctlFiles& files;
    Metrics& metrics;
    SnapshotSlot& slot;
    Log& log;
  };
  explicit Publisher(Parts parts);

  /// Forwards the pending reports of the reconciler.
  void take_reports();
  /// Number of write attempts in the reports taken so far.
  [[nodiscard]] std::size_t attempts() const { return report_log_.fixed() + report_log_.failed(); }
  /// The writers that reports name for drifts.
  [[nodiscard]] Writers& writers() { return writers_; }

  /// Marks the snapshot as outdated.
  void mark_changed() { dirty_ = true; }
  /// Updates the state of an event source.
  void set_source_state(SourceSnapshot source);
  /// Replaces the list of netns directories that cannot be listed.
  void set_unlisted(std::vector<SourceSnapshot> unlisted);
  /// Logs once why settings cannot be written, as soon as a policy has any. Only a restart can change the privileges.
  void warn_missing_privileges();
  /// Logs what is weaker on this kernel; see kernel_limits().
  void set_kernel_limits(std::vector<std::string> limits);
  /// `problems`: one per line; empty when the configuration was accepted.
  void record_reload(std::string_view problems);
  void record_sweep();

  /// Whether the daemon is shown as ready.
  [[nodiscard]] bool ready() const { return ready_; }
  void set_ready(Time now);
  /// The status line of `systemctl status`.
  [[nodiscard]] std::string service_status(const Totals& totals) const;

  void publish(Time now);
  void publish_if_due(Time now);
  /// When publish_if_due() has work.
  [[nodiscard]] std::optional<Time> due() const { return dirty_ ? std::optional(next_publish_) : std::nullopt; }

 private:
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot(Time now) const;

  Parts parts_;
  Writers writers_;
  EventLog events_;
  ReportLog report_log_;
  ProcessMeter process_;
  std::vector<SourceSnapshot> sources_;
  std::vector<SourceSnapshot> unlisted_;
  std::vector<std::string> missing_privileges_;  // why settings cannot be written
  std::vector<std::string> kernel_limits_;
  double last_sweep_ = 0;  // Unix time of its end
  bool ready_ = false;
  bool dirty_ = true;  // changed since the last snapshot
  std::shared_ptr<const Snapshot> published_;
  std::shared_ptr<const Snapshot> before_published_;
  Time next_publish_;
};

}  // namespace nswarden
