// SPDX-License-Identifier: Apache-2.0
// A command, its result, and the messages that carry them between the daemon, its command server and the supervisors. All are
// forks of one program, so plain structs suffice.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

struct CommandRequest {
  std::uint64_t id = 0;                  ///< returned with the result
  std::string command;                   ///< for /bin/sh -c
  std::vector<std::string> environment;  ///< NAME=VALUE, added to the daemon's; no NUL
  std::chrono::milliseconds timeout{0};  ///< then SIGTERM, and SIGKILL 2 s later, for all processes that it started
  CommandCapabilities capabilities = CommandCapabilities::none;
};

struct CommandResult {
  enum class End : std::uint8_t {
    exited,       ///< `code` is the exit status of the shell
    signalled,    ///< `code` is the signal that ended the shell
    timed_out,    ///< all processes that it started have been ended
    not_started,  ///< `code` is an errno
    not_allowed,  ///< likewise: its capabilities cannot be set, so it was not started
    lost,         ///< its supervisor was killed
  };
  std::uint64_t id = 0;
  End end = End::exited;
  int code = 0;
  bool left_running = false;      ///< the shell has ended, but processes that it started still run
  std::uint64_t output_size = 0;  ///< bytes of stdout and stderr together
  std::string head{};             ///< the first 4 KiB of these
  std::string tail{};             ///< the last 4 KiB of the rest
};

/// Followed by `strings` NUL-terminated texts: the command, then the environment.
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
/// Variables that one command adds to the environment of the server.
inline constexpr std::size_t max_added_variables = 8;

}  // namespace nswarden
