// SPDX-License-Identifier: Apache-2.0
// The daemon's state at one moment, immutable once published. The loop creates one after each change of state; HTTP threads
// read the newest. Plain data.
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
  std::size_t settings = 0;  ///< settings that it owns, in all netns
  std::size_t drifted = 0;   ///< settings that are drifted, missing or unreadable
  std::size_t suspended = 0;
  std::size_t conflicts = 0;  ///< (netns, key) pairs lost to a policy with another value or mode
  bool enforcing = false;
};

/// A source of early change notices. A source that is down delays repairs but never prevents them: the sweep remains.
struct SourceSnapshot {
  std::string name;  ///< the label `source`: inotify, mount, netlink, sysctl
  bool up = false;
  std::string reason;  ///< when down: the cause and the remedy, one line
};

struct DriftSnapshot {
  Finding finding;
  KnownWriter writer;  ///< of the last drift of this setting
  double since = 0;    ///< when the drift was first found, Unix time in seconds
};

/// The configuration in force, and the result of the last load.
struct ConfigSnapshot {
  std::string source;         ///< the file, or "built-in policy"
  std::string hash;           ///< SHA-256 in hex of all files, concatenated
  double loaded_seconds = 0;  ///< Unix time
  std::string error;          ///< first line of the reason why the last load was rejected; empty when it is in force
  double failed_seconds = 0;  ///< Unix time of the rejection
  bool audit = false;         ///< --audit: no policy writes, in any mode
};

/// Drift entries shown to users, independent of the limit on exported series.
inline constexpr std::size_t max_shown_drift = 1000;

struct Snapshot {
  double time = 0;     ///< creation time, Unix time in seconds
  bool ready = false;  ///< the first sweep is done
  Totals totals;       ///< attempts since the start
  std::vector<PolicySnapshot> policies;
  std::size_t netns_unmatched = 0;
  std::size_t netns_pending = 0;
  std::size_t bound_sysctls = 0;
  std::size_t dirfd_sysctls = 0;
  std::size_t commands_queued = 0;
  std::size_t commands_running = 0;
  /// Drifted settings; the first in byte order of netns, then key, up to max_shown_drift or series_limit.
  std::vector<DriftSnapshot> drift;
  std::size_t drift_hidden = 0;          ///< number of further entries
  std::size_t series_limit = 0;          ///< maximum series of a per-setting metric; they are the first of `drift`
  std::vector<Observed> observed;        ///< exported values, in the same order, up to series_limit
  std::size_t observed_hidden = 0;       ///< number of further values
  std::shared_ptr<const Events> events;  ///< the latest events; null for none
  std::vector<SourceSnapshot> sources;
  std::vector<SourceSnapshot> unlisted;         ///< netns directories that cannot be listed, by path
  std::vector<std::string> missing_privileges;  ///< why settings cannot be written, each with its remedy, one line
  ConfigSnapshot config;
  double last_reconcile_seconds = 0;  ///< Unix time of the last completed sweep, 0 before the first
  ProcessStats process;
  std::vector<NetnsDrift> by_netns;  ///< empty unless enabled
};

/// Passes the newest snapshot from the loop to the HTTP threads, with the deadline of the loop's next sign of life. The lock is
/// held for one pointer copy.
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
