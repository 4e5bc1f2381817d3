// SPDX-License-Identifier: Apache-2.0
// All sources that wake the loop. Owns the watchers and the poller, reopens sources that failed, and reports which ones are
// down. Reads no events: the component that handles a watcher's events also reads them. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/daemon/instance_lock.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/netns/link_watcher.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/netns/netns_watcher.hpp>
#include <nswarden/netns/sysctl_watcher.hpp>
#include <nswarden/os/path_watcher.hpp>
#include <nswarden/os/poller.hpp>
#include <nswarden/policy/policy.hpp>
#include <nswarden/report/log.hpp>
#include "daemon/publisher.hpp"

namespace nswarden {

/// Identifies a ready fd.
enum class Wake : std::uint64_t { signal, directories, mounts, files, reload_request, commands, writes, slow_writes, links };

class EventSources {
 public:
  /// All members outlive the object.
  struct Parts {
    LinuxCatalog& catalog;
    Reconciler& reconciler;
    Publisher& publisher;
    InstanceLock& instance_lock;
    PathWatcher& files;  // watches the configuration
    Log& log;
  };
  /// `directories`: netns directories; `configuration`: path of the configuration file. Throws std::system_error without a
  /// poller.
  EventSources(Parts parts, std::vector<std::string> directories, std::string configuration);

  /// Polls an fd that ends or reloads the daemon. Throws std::system_error on failure.
  void watch_always(int fd, Wake token);
  /// Watches the sources that these policies need.
  void use(const PolicySet& policies);
  /// Polls each source that is up and reports the state of all. Idempotent.
  void watch();
  /// The fds change when a command starts; -1 for none.
  void watch_commands(std::pair<int, int> fds);
  /// Opens the sources that are down, then calls watch(). Returns true when the configuration has changed.
  bool rearm();

  /// Watches the existing netns directories. Called after a change of the mount table, or when a directory appeared, vanished
  /// or was `replaced`. Returns whether any directory changed.
  bool follow_directories(bool replaced);
  /// Checks whether netns and writes of other processes are visible here at all.
  void check_visibility();

  /// Waits for events for at most `timeout`.
  std::span<const Poller::Ready> wait(std::chrono::nanoseconds timeout) { return poller_.wait(timeout); }
  /// Stops polling a source; it is still reported as up.
  void pause_writes(bool pause);
  void pause_links(bool pause);
  /// Polls and reports one source again after a failure.
  void watch_writes();
  void watch_links();

  [[nodiscard]] NetnsWatcher& netns() { return netns_; }
  [[nodiscard]] SysctlWatcher& writes() { return writes_; }
  [[nodiscard]] LinkWatcher& links() { return links_; }
  [[nodiscard]] const std::vector<std::string>& directories() const { return directories_; }

  /// Whether a name may refer to another netns than before, because of a mount since mounts_listed().
  [[nodiscard]] bool mounts_changed() const { return mounts_changed_; }
  void suspect_mounts() { mounts_changed_ = true; }
  void mounts_listed() { mounts_changed_ = false; }

 private:
  Result<void> poll(int fd, std::uint32_t events, Wake token);
  void report_files();

  Parts parts_;
  std::vector<std::string> directories_;
  std::string configuration_;
  NetnsWatcher netns_;
  SysctlWatcher writes_;
  LinkWatcher links_;
  Poller poller_;
  bool writes_paused_ = false;
  bool links_paused_ = false;
  bool mounts_polled_ = false;
  bool mounts_changed_ = true;
  std::string netns_problem_;   // why netns of other processes are never visible; empty when they are
  std::string writes_problem_;  // why writes of other processes are never visible, although nothing failed
  int files_error_ = 0;
};

}  // namespace nswarden
