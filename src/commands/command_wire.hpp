// SPDX-License-Identifier: Apache-2.0
// A command and its result, and the messages that carry them between the daemon, its command server and the supervisors. All are
// forks of one program, so that plain structs do.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nswarden/policy/policy_config.hpp>

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
  std::string head{};             ///< of these, the first 4 KiB
  std::string tail{};             ///< and of the rest the last 4 KiB
};

/// Followed by `strings` texts with a NUL each: the command, then the environment.
struct RequestHead {
  std::uint64_t id = 0;
  std::int64_t timeout_ms = 0;
  std::uint32_t strings = 0;
  CommandCapabilities capabilities = CommandCapabilities::none;
};

/// Followed by the head and the tail of the output.
struct ResultHead {
  std::uint64_t id = 0;
  CommandResult::End end = CommandResult::End::lost;
  bool left_running = false;
  std::int32_t code = 0;
  std::uint64_t output_size = 0;
  std::uint32_t head_size = 0;
  std::uint32_t tail_size = 0;
};

inline constexpr std::size_t output_part = 4096;
inline constexpr std::size_t max_request = std::size_t{72} << 10;
inline constexpr std::size_t max_result = sizeof(ResultHead) + 2 * output_part;
/// Of the environment of one command, and of the server's own.
inline constexpr std::size_t max_added_variables = 8;

}  // namespace nswarden
