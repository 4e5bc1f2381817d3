// SPDX-License-Identifier: Apache-2.0
// Runs shell commands where they can hurt nobody: a small process, forked when the first command comes, forks a supervisor for
// each command (src/commands/command_server.hpp), so that the caller pays for one message. When the caller dies, however it does, what
// runs is ended. Loop thread only.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/policy/commands.hpp>

namespace nswarden {

struct CommandRequest {
  std::uint64_t id = 0;                  ///< comes back with the result
  std::string command;                   ///< for /bin/sh -c
  std::vector<std::string> environment;  ///< NAME=VALUE, besides ours; no NUL
  std::chrono::milliseconds timeout{0};  ///< then SIGTERM, and 2 s later SIGKILL, for all that it started
  CommandCapabilities capabilities = CommandCapabilities::none;
};

struct CommandResult {
  enum class End : std::uint8_t {
    exited,       ///< `code` is the exit status of the shell
    signalled,    ///< `code` is the signal that ended the shell
    timed_out,    ///< all that it started has been ended
    not_started,  ///< `code` is an errno
    not_allowed,  ///< likewise: its capabilities cannot be set as asked, so it was not started
    lost,         ///< somebody killed the process that watched over it
  };
  std::uint64_t id = 0;
  End end = End::exited;
  int code = 0;
  bool left_running = false;      ///< the shell has ended, and processes that it started have not
  std::uint64_t output_size = 0;  ///< bytes of stdout and stderr together
  std::string head;               ///< of these, the first 4 KiB
  std::string tail;               ///< and of the rest the last 4 KiB
};

class CommandRunner {
 public:
  /// `open_files`: soft limit for commands. Starts nothing.
  explicit CommandRunner(std::size_t open_files);
  ~CommandRunner();
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;

  /// Success means that a result will come.
  Result<void> start(const CommandRequest& request);

  /// To be polled for POLLIN: results, and the end of the server. -1 before the first start(), and others after it has ended.
  [[nodiscard]] int results_fd() const { return results_.get(); }
  [[nodiscard]] int requests_fd() const { return requests_.get(); }

  /// What has come, without blocking; `lost` for all that ran when the server has ended.
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
