// SPDX-License-Identifier: Apache-2.0
// ProcessMeter measures the resources that this process uses, for the process_* metrics that every Prometheus client exports. One
// thread at a time.
#pragma once

#include <cstddef>
#include <optional>

#include <nswarden/base/result.hpp>

namespace nswarden {

struct ProcessStats {
  double cpu_seconds = 0;         ///< user and system
  double start_time_seconds = 0;  ///< since 1970; the same at each call, since it identifies a restart
  std::size_t resident_bytes = 0;
  std::size_t virtual_bytes = 0;
  std::size_t open_fds = 0;
  std::size_t max_fds = 0;  ///< soft limit
};

/// Threads of this process; none when that is unknown.
std::optional<std::size_t> count_threads();

class ProcessMeter {
 public:
  /// Never fails: without /proc/stat the start time is 0.
  ProcessMeter();
  [[nodiscard]] Result<ProcessStats> read() const;

 private:
  double start_time_ = 0;
};

}  // namespace nswarden
