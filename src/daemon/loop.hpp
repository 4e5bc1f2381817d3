// SPDX-License-Identifier: Apache-2.0
// The event loop, the only owner of the state. Waits for events, turns each into a check, runs the reconciler in small steps,
// and has the results published. Loop thread only, except for the snapshot slot, which HTTP threads read.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nswarden/commands/commands.hpp>
#include <nswarden/config/configuration.hpp>
#include <nswarden/daemon/daemon_options.hpp>
#include <nswarden/daemon/instance_lock.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/netns/slow_writer.hpp>
#include <nswarden/os/path_watcher.hpp>
#include <nswarden/os/signals.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/report/metrics.hpp>
#include <nswarden/report/snapshot.hpp>
#include <nswarden/restore/restorer.hpp>
#include <nswarden/web/reload_requests.hpp>
#include "daemon/event_sources.hpp"
#include "daemon/policies_in_force.hpp"
#include "daemon/publisher.hpp"
#include "daemon/service_notices.hpp"
#include "daemon/sweeps.hpp"
#include "daemon/write_events.hpp"

namespace nswarden {

class Loop {
 public:
  /// All members outlive the object.
  struct Parts {
    const DaemonOptions& options;
    Signals& signals;
    const Waker& waker;
    ReloadRequests& reload_requests;
    LinuxCatalog& catalog;
    Metrics& metrics;
    SnapshotSlot& slot;
    Log& log;
    PathWatcher& files;  // watched since before the configuration was loaded
    InstanceLock& instance_lock;
    ServiceNotices& service;
  };
  struct Limits {
    std::size_t held_fds = 0;     ///< for bound netns
    std::size_t command_fds = 0;  ///< soft limit of open files for commands
  };
  /// Throws std::system_error.
  Loop(Parts parts, LoadedConfig configuration, Limits limits);

  /// Runs until SIGTERM or SIGINT.
  void run();

 private:
  void run_once();
  void rebuild();
  [[nodiscard]] std::chrono::nanoseconds until_next(Time now) const;
  void handle_event(Wake token);
  void handle_signals();
  void handle_directory_events();
  void handle_mount_event();
  void begin_due_work(Time now);
  void begin_sweep(Trigger trigger, Time now);
  std::string reload(Time now);
  void answer_reload_request(std::string verdict);
  void use_configuration(std::string_view message);
  void start_commands();
  void feed_watchdog(Time now);

  Parts parts_;
  PoliciesInForce in_force_;
  Reconciler::Options reconciler_options_;
  SlowWriter slow_writer_;                // bound netns delegate writes to it until they are destroyed
  std::optional<Reconciler> reconciler_;  // rebuild() recreates it in place, so that references stay valid
  Commands commands_;
  LinuxCatalog restore_catalog_;  // serves all kinds of names and writes synchronously
  Restorer restorer_;
  Publisher publisher_;
  EventSources sources_;
  Sweeps sweeps_;
  WriteEvents write_events_;

  bool stopping_ = false;
  bool inconsistent_ = false;            // the state may be inconsistent
  bool reload_due_ = false;              // begun but not finished
  bool reload_requested_ = false;        // by a client at the desk
  std::uint64_t reported_progress_ = 0;  // reconciler progress at the last watchdog notice
};

}  // namespace nswarden
