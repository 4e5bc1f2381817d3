// SPDX-License-Identifier: Apache-2.0
// The loop: the one owner of the state. Waits for events, turns each into "look again", gives the reconciler its time in small
// steps, and publishes what came of it. Loop thread only, but for the slot, which HTTP threads read.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nswarden/commands/commands.hpp>
#include <nswarden/config/configuration.hpp>
#include <nswarden/daemon/instance_lock.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/netns/link_watcher.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/netns/netns_watcher.hpp>
#include <nswarden/netns/slow_writer.hpp>
#include <nswarden/netns/sysctl_watcher.hpp>
#include <nswarden/os/config_watcher.hpp>
#include <nswarden/os/path_watcher.hpp>
#include <nswarden/os/poller.hpp>
#include <nswarden/os/process_stats.hpp>
#include <nswarden/os/signals.hpp>
#include <nswarden/report/event_log.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/report/metrics.hpp>
#include <nswarden/report/policy_review.hpp>
#include <nswarden/report/report_log.hpp>
#include <nswarden/report/snapshot.hpp>
#include <nswarden/report/writers.hpp>
#include <nswarden/restore/restorer.hpp>
#include <nswarden/web/reload_desk.hpp>
#include "daemon/pace.hpp"
#include "daemon/service_notices.hpp"

namespace nswarden {

class Loop {
 public:
  /// What it borrows; all outlive it.
  struct Parts {
    const DaemonOptions& options;
    Signals& signals;
    const Waker& waker;
    ReloadDesk& desk;
    LinuxCatalog& catalog;
    Metrics& metrics;
    SnapshotSlot& slot;
    Log& log;
    ConfigWatcher& config_watcher;  // older than the configuration that was loaded
    InstanceLock& instance_lock;
    ServiceNotices& service;
  };
  /// Throws std::system_error.
  struct Limits {
    std::size_t held_fds = 0;     ///< that bound netns may hold
    std::size_t command_fds = 0;  ///< soft limit of open files for commands
  };
  Loop(Parts parts, LoadedConfig configuration, Limits limits);

  /// Until SIGTERM or SIGINT.
  void run();

 private:
  using Detail = NetnsCatalog::Detail;

  [[nodiscard]] std::chrono::nanoseconds until_next(Time now) const;
  void take_event(std::uint64_t token);
  void take_signals();
  void take_directory_events();
  void take_mount_event();
  void take_writes();
  void lose_writes(Time now);
  void take_links();
  void see_to_links(Time now);
  void watch_links();
  [[nodiscard]] std::chrono::milliseconds sweep_interval() const;
  [[nodiscard]] Reconciler::Options reconciler_options() const;
  void take_slow_writes();
  void see_to_writes(Time now);
  void end_search();
  [[nodiscard]] std::optional<Time> writes_due() const;
  [[nodiscard]] std::chrono::nanoseconds search_gap() const;
  void watch_writes();
  [[nodiscard]] bool rearm();
  Result<void> watch(int fd, std::uint32_t events, std::uint64_t token);
  void watch_loop();
  void watch_sources();
  void watch_commands();
  void tell_config_watch();
  void tell_failures(const std::vector<Listing::Failure>& failures);
  void tell_source(SourceSnapshot now);
  void look_at_propagation();
  void look_for_hindrances();
  void list(Detail detail, Time now);
  void begin_sweep(Trigger trigger, Time now);
  void finish_sweep();
  void see_to_readiness(Time now);
  void review_policies(Time now);
  void see_to_what_is_due(Time now);
  void work(Time now);
  void tell_reports();
  std::string reload(Time now);
  void answer_desk(std::string verdict);
  void turn();
  void begin_again();
  void use_configuration(std::string_view message);
  void tell_configuration(std::string_view message);
  void see_to_commands();
  void show_life(Time now);
  [[nodiscard]] std::string service_status(const Totals& totals) const;
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot(Time now) const;
  void publish(Time now);

  Parts parts_;
  LoadedConfig configuration_;
  std::vector<std::string> directories_;
  Limits limits_;
  std::shared_ptr<const PolicySet> policies_;
  SlowWriter slow_writer_;                // what is bound hands writes over to it, to its end
  std::optional<Reconciler> reconciler_;  // never empty but while it is made anew
  Writers writers_;
  EventLog events_;
  ReportLog report_log_;
  Commands commands_;
  LinuxCatalog restore_catalog_;  // serves all kinds of names, and makes its writes at once
  Restorer restorer_;
  PolicyReview review_;
  NetnsWatcher netns_watcher_;
  SysctlWatcher sysctl_watcher_;
  LinkWatcher link_watcher_;
  PathWatcher path_watcher_;
  Poller poller_;
  ProcessMeter process_;

  bool stopping_ = false;
  bool reload_due_ = false;  // begun and not done
  bool desk_waits_ = false;
  bool broken_ = false;            // the state may be half changed
  bool swept_ = false;             // the first sweep is done
  bool sweep_open_ = false;        // begun, and not told that it is done
  std::optional<Time> unsettled_;  // what a first sweep or a reload has begun is awaited until then
  bool ready_ = false;
  ConfigSnapshot config_;
  double last_reconcile_ = 0;
  std::vector<SourceSnapshot> sources_;
  std::string unseen_;                    // why netns that others make are never seen; empty when they are
  std::string deaf_;                      // why writes that others make are never seen, although nothing failed
  std::vector<std::string> hindrances_;   // why settings cannot be set
  std::vector<SourceSnapshot> listings_;  // directories that cannot be listed
  int config_watch_error_ = 0;

  std::uint64_t progress_shown_ = 0;  // of the reconciler

  Trigger trigger_ = Trigger::startup;
  std::chrono::nanoseconds sweep_time_{0};
  std::chrono::nanoseconds last_sweep_time_{0};
  Time next_sweep_;
  Time last_full_listing_;
  Pace pace_;
  std::optional<Time> writes_rest_until_;  // until then no events of writes are read
  bool writes_lost_ = false;               // a sweep is due for it
  Pace link_pace_;
  std::optional<Time> links_rest_until_;  // until then no events of links are read
  std::map<std::string, Time> unplaced_;  // names of keys that were written in a netns that cannot be told, with when first
  Time search_due_;                       // for either
  bool searching_ = false;                // for the latter, now
  bool mounts_polled_ = false;
  bool mounts_changed_ = true;  // since the last full listing, as far as we know
  bool dirty_ = true;           // since the last snapshot
  std::shared_ptr<const Snapshot> published_;
  std::shared_ptr<const Snapshot> before_published_;
  Time next_publish_;
};

}  // namespace nswarden
