// SPDX-License-Identifier: Apache-2.0
// SysctlWatcher reports each write to a sysctl through the daemon's procfs, by any process: one fanotify mark on the whole file system
// (kernel facts 15 to 18). It drops writes of the daemon itself and those to files that no policy names. A write that it cannot see,
// such as one through another procfs (kernel fact 39), or to a second inode through a bind mount of another name, is left to the
// sweep. Loop thread only.
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
  std::optional<SysctlFiles::Place> place;  ///< none: a file of `name`, of a netns that cannot be told
  std::string name;                         ///< last component of its path, when `place` is none
  std::int64_t pid = 0;                     ///< 0: not visible in our PID namespace
  Fd pidfd;                                 ///< none before Linux 5.15, and when the process has been reaped
};

struct SysctlWrites {
  std::vector<SysctlWrite> writes;  ///< in order
  bool lost = false;                ///< the kernel dropped events
  bool foreign = false;             ///< there were events of other processes, of whatever file
  bool more = false;                ///< the batch was full: read again
};

class SysctlWatcher {
 public:
  /// Never fails: when there is none, it is down, with its reason, and rearm() tries again. `files` outlives it.
  /// Files that it cannot place become strangers there.
  explicit SysctlWatcher(SysctlFiles& files);

  /// To be polled for POLLIN; -1 while there is none. Only rearm() opens one, only read() may close it.
  [[nodiscard]] int fd() const { return fanotify_.get(); }
  /// Tries again if it is down. True when it is up since this call, so that nothing is known of the time before.
  bool rearm();
  /// Why it is down, one line with the remedy; empty when it is up.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// Whether other processes may write through another procfs than this one: unknown, because process 1 is hidden.
  [[nodiscard]] bool unsure() const { return unsure_; }

  /// Last components of the paths of all keys that any policy names, and those that have globs in them.
  void watch_names(std::unordered_set<std::string> names, std::vector<std::string> globs = {});

  /// A batch of the events that wait, at most 64 of other processes, without blocking. A process that writes in a tight loop always
  /// makes more, so a batch ends where a process has written to the same file again. Goes down when nothing can be read any more.
  SysctlWrites read();

 private:
  struct Event;
  struct Batch;
  Result<void> open();
  std::size_t take(std::span<const char> bytes, Batch& batch);
  void judge(Event& event, Batch& batch);
  void ignore(const Fd& file);
  [[nodiscard]] bool is_watched(const std::string& name) const;

  SysctlFiles& files_;
  std::unordered_set<std::string> names_;
  std::vector<std::string> globs_;
  Fd fanotify_;
  std::size_t event_size_ = 0;       // that the kernel gives with the flags it was opened with
  bool tells_failed_opens_ = false;  // in the event, Linux 6.13
  bool can_ignore_ = true;           // Linux 5.19
  std::string problem_;
  bool unsure_ = false;
};

/// Describes the process behind a write, by its files in /proc. Everything but `pid` and `time` is from a moment in which it was surely the
/// same process: without a pidfd, or when it has been reaped meanwhile, the rest is empty.
Writer describe_writer(std::int64_t pid, const Fd& pidfd, double time);

}  // namespace nswarden
