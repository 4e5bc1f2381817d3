// SPDX-License-Identifier: Apache-2.0
// Capabilities (capabilities(7)) of the calling thread; each thread has its own. Unlike libcap, these functions never allocate,
// so they are safe after fork.
#pragma once

#include <linux/capability.h>

#include <array>
#include <cstdint>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// The capabilities that callers check by name.
enum class Capability : std::uint8_t { net_admin = CAP_NET_ADMIN, sys_admin = CAP_SYS_ADMIN };

/// The capabilities of this program, and the reasons for missing ones.
struct OwnCapabilities {
  std::uint64_t effective = 0;  ///< one bit per capability, by its number
  std::uint64_t bounding = 0;   ///< the bounding set: limits capabilities from the program file or a parent
  bool no_new_privs = false;    ///< capabilities of the program file are ignored
  bool root = false;            ///< effective uid 0

  [[nodiscard]] bool has(Capability one) const { return (effective >> static_cast<unsigned>(one) & 1U) != 0; }
  [[nodiscard]] bool could_have(Capability one) const { return (bounding >> static_cast<unsigned>(one) & 1U) != 0; }
};
OwnCapabilities own_capabilities();

/// Makes the useful permitted capabilities effective. Called by the main thread before it starts other threads. A program file
/// with permitted capabilities and without the effective flag can be executed by users that lack some of them; with the flag,
/// exec fails with EPERM, which does not name the missing capability (kernel fact 61).
void raise_permitted_capabilities();

/// Drops all capabilities of the calling thread, of threads and processes that it starts, and of programs that those execute.
/// None of them can regain any: not as uid 0, nor by setuid programs or file capabilities (no_new_privs). The process is not
/// dumpable until it executes another program.
Result<void> drop_all_capabilities();

/// Checks permissions of the calling thread as if it had no capabilities, while this object lives. No effect if the kernel
/// refuses.
class CapabilitiesDisabled {
 public:
  CapabilitiesDisabled();
  ~CapabilitiesDisabled();
  CapabilitiesDisabled(const CapabilitiesDisabled&) = delete;
  CapabilitiesDisabled& operator=(const CapabilitiesDisabled&) = delete;

 private:
  std::uint64_t effective_ = 0;  // restored by the destructor
};

/// The kernel passes each 64-bit set as two halves.
using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

/// capget(2) and capset(2), which have no C library functions. On false, errno is set.
bool get_capabilities(CapabilitySets& sets);
bool set_capabilities(const CapabilitySets& sets);

}  // namespace nswarden
