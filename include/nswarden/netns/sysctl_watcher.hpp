// SPDX-License-Identifier: Apache-2.0
// SysctlWatcher reports each write to a sysctl through the daemon's procfs, by any process, with one fanotify mark on the whole
// file system (kernel facts 15 to 18). It drops the daemon's own writes and writes to files that no policy names. The sweep
// finds writes that it cannot see, such as those through another procfs (kernel fact 39) or to a second inode through a bind
// mount of another name. Loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/engine/writer.hpp>
#include <nswarden/netns/sysctl_files.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

/// One write, or several of one process to one file.
struct SysctlWrite {
  std::uint64_t inode = 0;
  std::optional<SysctlFiles::Place> place;  ///< nullopt: a file `name` of an unidentified netns
  std::string name;                         ///< last component of its path, if `place` is nullopt
  std::int64_t pid = 0;                     ///< 0: not visible in the daemon's PID namespace
  Fd pidfd;                                 ///< empty before Linux 5.15, and if the process has been reaped
};

struct SysctlWrites {
  std::vector<SysctlWrite> writes;  ///< in order
  bool lost = false;                ///< the kernel dropped events
  bool foreign = false;             ///< there were events of other processes, for any file
  bool more = false;                ///< the batch was full: read again
};

class SysctlWatcher {
 public:
  /// Never fails: without fanotify the watcher is down, problem() gives the reason, and rearm() tries again. `files` must
  /// outlive it. Unknown files become strangers there.
  explicit SysctlWatcher(SysctlFiles& files);

  /// Poll for POLLIN; -1 while down. Only rearm() opens the fd, only read() may close it.
  [[nodiscard]] int fd() const { return fanotify_.get(); }
  /// Tries again if down. True if this call brought the watcher up: earlier writes are unknown.
  bool rearm();
  /// One line with the reason and the remedy; empty when up.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// Whether other processes might write through another procfs: unknown, because process 1 is hidden.
  [[nodiscard]] bool visibility_unknown() const { return visibility_unknown_; }

  /// Last path components of all keys that any policy names; those with globs are separate.
  void watch_names(std::unordered_set<std::string> names, std::vector<std::string> globs = {});

  /// Returns a batch of pending events, at most 64 of other processes, without blocking. A process that writes in a tight loop
  /// always causes more, so a batch ends when a process has written to the same file again. The watcher goes down if reading
  /// fails permanently.
  SysctlWrites read();

 private:
  struct Event;
  struct Batch;
  Result<void> open();
  std::size_t parse_events(std::span<const char> bytes, Batch& batch);
  void classify(Event& event, Batch& batch);
  void ignore(const Fd& file);
  [[nodiscard]] bool is_watched(const std::string& name) const;

  SysctlFiles& files_;
  std::unordered_set<std::string> names_;
  std::vector<std::string> globs_;
  Fd fanotify_;
  std::size_t event_size_ = 0;         // size of an event with the granted flags
  bool reports_failed_opens_ = false;  // in the event, Linux 6.13
  bool can_ignore_ = true;             // Linux 5.19
  std::string problem_;
  bool visibility_unknown_ = false;
};

/// Describes the process behind a write, by its files in /proc. All fields but `pid` and `time` date from a moment at which it
/// was certainly the same process. Without a pidfd, or if the process has been reaped meanwhile, they are empty.
Writer describe_writer(std::int64_t pid, const Fd& pidfd, double time);

}  // namespace nswarden
