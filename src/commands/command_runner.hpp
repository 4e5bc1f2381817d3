// SPDX-License-Identifier: Apache-2.0
// Runs shell commands outside the daemon. A small server process, forked for the first command, forks a supervisor for each
// command (command_supervisor.hpp), so that the caller pays for one message. The running commands are ended when the caller
// dies in any way. Loop thread only.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>
#include "commands/command_wire.hpp"

namespace nswarden {

class CommandRunner {
 public:
  /// `open_files`: soft limit for commands. Starts nothing.
  explicit CommandRunner(std::size_t open_files) : open_files_(open_files) {}
  ~CommandRunner();
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;

  /// Success means that a result will follow.
  Result<void> start(const CommandRequest& request);

  /// To be polled for POLLIN: results, and the end of the server. -1 before the first start(); they change after the server has
  /// ended.
  [[nodiscard]] int results_fd() const { return results_.get(); }
  [[nodiscard]] int requests_fd() const { return requests_.get(); }

  /// Returns the results that have arrived, without blocking; `lost` for all running commands if the server has ended.
  std::vector<CommandResult> read();

 private:
  Result<void> start_server();
  void stop_server();

  std::size_t open_files_;
  Fd requests_;
  Fd results_;
  pid_t server_ = -1;
  std::vector<std::uint64_t> running_;
};

}  // namespace nswarden
