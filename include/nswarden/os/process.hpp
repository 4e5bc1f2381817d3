// SPDX-License-Identifier: Apache-2.0
// Attributes of this process and of the calling thread: the limit of open files, which bounds the number of held sysctls
// (kernel fact 20), fds 0 to 2, scheduler slices, resource usage; and the kernel's clocks. Any thread unless noted.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Soft limit of this process; the largest number if unlimited.
std::size_t open_files_limit();

/// Raises the soft limit to the hard limit and returns it. Call open_files_limit() before: children get the old limit back,
/// because some programs close every fd up to it.
Result<std::size_t> raise_open_files();

/// Opens /dev/null for each of the fds 0, 1 and 2 that is closed. If a program is started with one closed, the next file that
/// it opens, perhaps a sysctl of a netns, gets that number and receives the output. Called once, before any thread and any
/// open. Aborts on failure.
void fill_standard_fds();

/// Requests a scheduler slice of 0.1 ms for the calling thread. On a busy core, Linux 6.12 and later runs a thread with a short
/// slice soon after it wakes, instead of at the next tick up to 4 ms later. It needs no capability and gives no additional CPU
/// time. Threads and processes that it creates have the usual slice, and no nice value below 0. No effect under a policy other
/// than SCHED_OTHER (kernel fact 58).
void request_short_slices();

/// Sets nice 10 for the calling thread: with all cores busy, it gets a tenth of the CPU time of a thread with nice 0.
void lower_priority();

/// The kernel's tick, 1 s / HZ, to which it rounds some values (kernel fact 28); 0 if unknown.
std::chrono::nanoseconds kernel_tick();

/// The wall clock in seconds, for display only: it may jump, so no time is computed from it.
inline double unix_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

struct ProcessStats {
  double cpu_seconds = 0;         ///< user and system
  double start_time_seconds = 0;  ///< since 1970; constant across calls, because it identifies a restart
  std::size_t resident_bytes = 0;
  std::size_t virtual_bytes = 0;
  std::size_t open_fds = 0;
  std::size_t max_fds = 0;  ///< soft limit
};

/// Number of threads of this process; nullopt if unknown.
std::optional<std::size_t> count_threads();

/// Reads the values of the process_* metrics that every Prometheus client exports. One thread at a time.
class ProcessMeter {
 public:
  /// Never fails: without /proc/stat the start time is 0.
  ProcessMeter();
  [[nodiscard]] Result<ProcessStats> read() const;

 private:
  double start_time_ = 0;
};

}  // namespace nswarden
