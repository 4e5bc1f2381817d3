// SPDX-License-Identifier: Apache-2.0
// What a TCP client needs of the kernel: a connection within a deadline, waiting for it, and no signal when the peer is gone.
// Any thread; the thread that writes to such a connection holds a BrokenPipeBlocked.
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

/// The attempt of an error that is about the name: ENOENT when it has no address, EAGAIN when that cannot be told now.
inline constexpr std::string_view look_up_attempt = "look up";

/// A connection to the first address of `host` (a name, or a numeric address without brackets) that takes one; non-blocking.
/// Addresses that do not answer share the time. Errors: those of the lookup, ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT at the
/// deadline, ...
Result<Fd> connect_to(const std::string& host, std::uint16_t port, Deadline deadline);

enum class Readiness : std::uint8_t { readable, writable };
/// False when the deadline comes first.
bool wait_ready(int fd, Readiness wanted, Deadline deadline);

/// While it lives, a write of its thread to a connection that the peer has closed says EPIPE and kills nobody.
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
