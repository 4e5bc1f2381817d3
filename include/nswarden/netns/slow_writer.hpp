// SPDX-License-Identifier: Apache-2.0
// SlowWriter writes sysctls that may wait long for a lock of the kernel (RTNL: 100 ms and more, kernel fact 23) in a thread of its
// own, which has only fds and values, one write after the other. The loop thread calls every function here.
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
  /// What has not begun is not written. Waits for the write that is under way, but not for longer than a second.
  ~SlowWriter();
  SlowWriter(const SlowWriter&) = delete;
  SlowWriter& operator=(const SlowWriter&) = delete;

  /// Each write that waits has an open file, beyond the budget of fds.
  static constexpr std::size_t most_files = 256;
  [[nodiscard]] bool has_room() const;

  /// Whether nothing waits, is being written, or is done and not taken.
  [[nodiscard]] bool idle() const;

  using Ticket = std::uint64_t;
  /// `file` was opened for writing, inside its netns.
  Ticket write(Fd file, std::string value, SysctlFiles::Place place);
  /// It is not made any more if it has not begun, and its end is not reported. No effect on one that was taken.
  void cancel(Ticket ticket);

  struct Done {
    SysctlFiles::Place place;
    int error = 0;  ///< errno of the write, 0 when the kernel took it
  };
  /// To be polled for POLLIN.
  [[nodiscard]] int fd() const;
  /// What was done since the last call, in order. When it throws for want of memory, nothing of that is lost.
  std::vector<Done> take_done();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace nswarden
