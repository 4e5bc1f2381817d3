// SPDX-License-Identifier: Apache-2.0
// The messages between the daemon, its command server and the supervisors. All are forks of one program, so that plain structs do.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "commands/command_runner.hpp"

namespace nswarden {

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
