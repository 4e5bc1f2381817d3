// SPDX-License-Identifier: Apache-2.0
// SlowWriter writes sysctls that may wait long for a kernel lock (RTNL: 100 ms and more, kernel fact 23). Its own thread makes
// one write after the other, and has access only to fds and values. The loop thread calls every function here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nswarden/netns/sysctl_files.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

class SlowWriter {
 public:
  /// Starts the thread. Throws std::system_error.
  SlowWriter();
  /// Drops queued writes. Waits at most one second for the write in progress.
  ~SlowWriter();
  SlowWriter(const SlowWriter&) = delete;
  SlowWriter& operator=(const SlowWriter&) = delete;

  /// Each queued write holds an open file, outside the fd budget.
  static constexpr std::size_t max_files = 256;
  [[nodiscard]] bool has_room() const;

  /// Whether no write is queued, in progress, or done and not taken.
  [[nodiscard]] bool idle() const;

  using Ticket = std::uint64_t;
  /// `file` was opened for writing, inside its netns.
  Ticket write(Fd file, std::string value, SysctlFiles::Place place);
  /// Drops the write if it has not begun, and never reports its result. No effect on a result that was taken.
  void cancel(Ticket ticket);

  struct Done {
    SysctlFiles::Place place;
    int error = 0;  ///< errno of the write, 0 if the kernel accepted it
  };
  /// Poll for POLLIN.
  [[nodiscard]] int fd() const;
  /// The writes completed since the last call, in order. Loses none if it throws when out of memory.
  std::vector<Done> take_done();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace nswarden
