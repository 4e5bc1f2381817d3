// SPDX-License-Identifier: Apache-2.0
// Attributes of this process and of the calling thread: the limit of open files, which bounds how many sysctls can be held (kernel
// fact 20), files 0 to 2, turns of the scheduler, resources in use; and the kernel's clocks. Any thread, except where a function says
// otherwise.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Soft limit of this process; the largest number when there is none.
std::size_t open_files_limit();

/// Raises the soft limit to the hard one and returns it. Ask open_files_limit() before: children get the old one back, since
/// some programs close every fd up to it.
Result<std::size_t> raise_open_files();

/// Opens /dev/null in the place of each of the files 0, 1 and 2 that is closed. A program may be started so; the next file that it
/// opens, perhaps a sysctl of a netns, would get that number, and output would be written there. Called once, before any thread and
/// any file. Aborts when it cannot.
void fill_standard_fds();

/// Asks for turns of 0.1 ms for the calling thread. On a busy core, Linux since 6.12 lets a thread with short turns run soon after it
/// wakes, rather than at the next tick, which is up to 4 ms away. It needs no capability and gives no additional time. Threads and
/// processes that it makes have turns of the usual length, and no niceness below 0. Under another policy than SCHED_OTHER nothing
/// happens (kernel fact 58).
void ask_for_short_turns();

/// The calling thread gives way to those of usual priority (nice 10): with all cores busy it has a tenth of the time that each of them has.
void give_way();

/// The kernel's tick, to which it rounds some values (kernel fact 28): 1 s / HZ; 0 when it is unknown.
std::chrono::nanoseconds kernel_tick();

/// The wall clock in seconds, for times that are shown; nothing is computed from it, since it may jump.
inline double unix_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

struct ProcessStats {
  double cpu_seconds = 0;         ///< user and system
  double start_time_seconds = 0;  ///< since 1970; the same at each call, since it identifies a restart
  std::size_t resident_bytes = 0;
  std::size_t virtual_bytes = 0;
  std::size_t open_fds = 0;
  std::size_t max_fds = 0;  ///< soft limit
};

/// Threads of this process; none when unknown.
std::optional<std::size_t> count_threads();

/// Measures them, for the process_* metrics that every Prometheus client exports. One thread at a time.
class ProcessMeter {
 public:
  /// Never fails: without /proc/stat the start time is 0.
  ProcessMeter();
  [[nodiscard]] Result<ProcessStats> read() const;

 private:
  double start_time_ = 0;
};

}  // namespace nswarden
