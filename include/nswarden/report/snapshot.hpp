// SPDX-License-Identifier: Apache-2.0
// What the daemon knows at one moment, immutable once published: the loop makes one after each change of state, the HTTP
// threads read the newest. Plain data.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/engine/report.hpp>
#include <nswarden/engine/writer.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/report/event_log.hpp>

namespace nswarden {

struct PolicySnapshot {
  std::string name;
  std::size_t netns = 0;     ///< bound netns that match it
  std::size_t settings = 0;  ///< that it owns, over all netns
  std::size_t drifted = 0;   ///< of these: drifted, missing or unreadable
  std::size_t suspended = 0;
  std::size_t conflicts = 0;  ///< (netns, key) pairs that it lost to a policy with another value or mode
  bool enforcing = false;
};

/// A way to learn of changes early. A source that is down costs promptness, never correctness: the sweep remains.
struct SourceSnapshot {
  std::string name;  ///< the label `source`: inotify, mount, netlink, sysctl
  bool up = false;
  std::string reason;  ///< when down: what is wrong and what to do, one line
};

struct DriftSnapshot {
  Finding finding;
  KnownWriter writer;  ///< of the last drift of this setting
  double since = 0;    ///< when it was first found not to be compliant, Unix time in seconds
};

/// The configuration in force, and what became of the last one that was read.
struct ConfigSnapshot {
  std::string source;         ///< the file, or "built-in policy"
  std::string hash;           ///< SHA-256 in hex of all that was read, one file after the other
  double loaded_seconds = 0;  ///< Unix time
  std::string error;          ///< why the last one that was read was refused, its first line; empty when it is in force
  double failed_seconds = 0;  ///< Unix time of that
  bool audit = false;         ///< --audit: no policy writes, whatever it says
};

/// Drift that is shown to people, however few series are exported.
inline constexpr std::size_t most_shown_drift = 1000;

struct Snapshot {
  double time = 0;     ///< Unix time in seconds at which it was made
  bool ready = false;  ///< the first sweep is done
  Totals totals;       ///< attempts since the start
  std::vector<PolicySnapshot> policies;
  std::size_t netns_unmatched = 0;
  std::size_t netns_pending = 0;
  std::size_t bound_sysctls = 0;
  std::size_t dirfd_sysctls = 0;
  std::size_t commands_queued = 0;
  std::size_t commands_running = 0;
  /// Not compliant; the first in byte order of netns, then key, up to most_shown_drift, or series_limit.
  std::vector<DriftSnapshot> drift;
  std::size_t drift_hidden = 0;     ///< how many more there are
  std::size_t series_limit = 0;     ///< most series of a metric that has one for each setting; those of `drift` are its first
  std::vector<Observed> observed;   ///< exported values, in the same order, up to that limit
  std::size_t observed_hidden = 0;  ///< numbers that are not among them
  std::shared_ptr<const Events> events;  ///< the last ones; null for none
  std::vector<SourceSnapshot> sources;
  std::vector<SourceSnapshot> unlisted;  ///< netns directories that cannot be listed, by path
  std::vector<std::string> hindrances;   ///< why no setting can be set, each with its remedy, one line
  ConfigSnapshot config;
  double last_reconcile_seconds = 0;  ///< Unix time of the last completed sweep, 0 before the first
  ProcessStats process;
  std::vector<NetnsDrift> by_netns;  ///< empty unless asked for
};

/// Hands the newest snapshot from the loop to the HTTP threads, and the time by which the loop will be heard of again. The lock is held
/// for one pointer copy.
class SnapshotSlot {
 public:
  void publish(std::shared_ptr<const Snapshot> snapshot) {
    const std::lock_guard lock(mutex_);
    newest_ = std::move(snapshot);
  }
  [[nodiscard]] std::shared_ptr<const Snapshot> newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
  }

  void alive_until(std::chrono::steady_clock::time_point when) { alive_until_ = when; }
  [[nodiscard]] bool alive(std::chrono::steady_clock::time_point now) const { return now <= alive_until_.load(); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> newest_ = std::make_shared<const Snapshot>();
  std::atomic<std::chrono::steady_clock::time_point> alive_until_{std::chrono::steady_clock::time_point::max()};
};

}  // namespace nswarden
