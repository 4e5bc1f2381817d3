// SPDX-License-Identifier: Apache-2.0
// Everything that wakes the loop: owns the watchers and the poller, opens again what went down, and shows which sources are down. It
// takes no event itself: a watcher is read by whoever acts on its events. Loop thread only.
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

/// The token of an fd that is ready.
enum class Wake : std::uint64_t { signal, directories, mounts, files, reload_request, commands, writes, slow_writes, links };

class EventSources {
 public:
  /// All outlive it.
  struct Parts {
    LinuxCatalog& catalog;
    Reconciler& reconciler;
    Publisher& publisher;
    InstanceLock& instance_lock;
    PathWatcher& files;  // of the configuration
    Log& log;
  };
  /// `directories` of netns; `configuration`: the path of its file. Throws std::system_error without a poller.
  EventSources(Parts parts, std::vector<std::string> directories, std::string configuration);

  /// Polls an fd without which nothing would end or reload the daemon. Throws std::system_error.
  void watch_always(int fd, Wake token);
  /// Watches from now on what these policies ask for.
  void use(const PolicySet& policies);
  /// Polls each source that is up, and shows which are. An fd that is polled already just stays.
  void watch();
  /// Others than before once a command has been started; -1 for none.
  void watch_commands(std::pair<int, int> fds);
  /// Opens the sources that are down, then watch(). True when the configuration is found to be another one.
  bool rearm();

  /// Watches the netns directories that are there now, after a change of the mount table, or because one is known to have come, gone or
  /// been `replaced`. Whether one was.
  bool follow_directories(bool replaced);
  /// Checks whether netns that other processes make, and their writes, can be seen here at all.
  void look_at_propagation();

  /// Waits for events at most so long.
  std::span<const Poller::Ready> wait(std::chrono::nanoseconds timeout) { return poller_.wait(timeout); }
  /// A source that is paused is not polled, but still shown as up.
  void pause_writes(bool pause);
  void pause_links(bool pause);
  /// Polls and shows one of them again, after it went down.
  void watch_writes();
  void watch_links();

  [[nodiscard]] NetnsWatcher& netns() { return netns_; }
  [[nodiscard]] SysctlWatcher& writes() { return writes_; }
  [[nodiscard]] LinkWatcher& links() { return links_; }
  [[nodiscard]] const std::vector<std::string>& directories() const { return directories_; }

  /// Whether a name may lead to another netns than before: a mount may have been made since mounts_listed().
  [[nodiscard]] bool mounts_changed() const { return mounts_changed_; }
  void suspect_mounts() { mounts_changed_ = true; }
  void mounts_listed() { mounts_changed_ = false; }

 private:
  Result<void> poll(int fd, std::uint32_t events, Wake token);
  void show_files();

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
  std::string unseen_;  // why netns that other processes make are never seen; empty when they are
  std::string deaf_;    // why writes of other processes are never seen, although nothing failed
  int files_error_ = 0;
};

}  // namespace nswarden
