// SPDX-License-Identifier: Apache-2.0
// TCP client helpers: connecting within a deadline, waiting for a socket, and blocking SIGPIPE. Any thread; a thread that
// writes to such a connection holds a BrokenPipeBlocked.
#pragma once

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

using Deadline = std::chrono::steady_clock::time_point;

/// Attempt of lookup errors: ENOENT if the name has no address, EAGAIN if the lookup failed temporarily.
inline constexpr std::string_view look_up_attempt = "look up";

/// Opens a non-blocking connection to the first address of `host` (a name, or a numeric address without brackets) that
/// accepts one. Addresses that do not respond share the time. Errors: those of the lookup, ECONNREFUSED, EHOSTUNREACH,
/// ETIMEDOUT at the deadline, ...
Result<Fd> connect_to(const std::string& host, std::uint16_t port, Deadline deadline);

enum class Readiness : std::uint8_t { readable, writable };
/// Returns false at the deadline.
bool wait_ready(int fd, Readiness wanted, Deadline deadline);

/// For its lifetime, a write of its thread to a connection closed by the peer fails with EPIPE instead of killing the
/// process.
class BrokenPipeBlocked {
 public:
  BrokenPipeBlocked();
  ~BrokenPipeBlocked();
  BrokenPipeBlocked(const BrokenPipeBlocked&) = delete;
  BrokenPipeBlocked& operator=(const BrokenPipeBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace nswarden
