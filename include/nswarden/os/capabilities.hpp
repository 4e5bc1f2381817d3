// SPDX-License-Identifier: Apache-2.0
// Capabilities (capabilities(7)) of the calling thread, which each thread has for itself. Nothing here allocates, as functions of
// libcap do; safe after fork.
#pragma once

#include <linux/capability.h>

#include <array>
#include <cstdint>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Of those that are asked for by name.
enum class Capability : std::uint8_t { net_admin = CAP_NET_ADMIN, sys_admin = CAP_SYS_ADMIN };

/// Which capabilities this program was given, and why not more.
struct OwnCapabilities {
  std::uint64_t effective = 0;  ///< a bit for each, by its number
  std::uint64_t bounding = 0;   ///< what a program file or a parent could have given
  bool no_new_privs = false;    ///< what the program file would give does not count
  bool root = false;            ///< effective uid 0

  [[nodiscard]] bool has(Capability one) const { return (effective >> static_cast<unsigned>(one) & 1U) != 0; }
  [[nodiscard]] bool could_have(Capability one) const { return (bounding >> static_cast<unsigned>(one) & 1U) != 0; }
};
OwnCapabilities own_capabilities();

/// Makes those effective that are permitted and of use; for the main thread, before there are others. A program file with permitted
/// capabilities and no effective flag can be executed by who may not have all of them; with the flag, exec fails with EPERM, which
/// tells nobody what is missing (kernel fact 61).
void raise_permitted_capabilities();

/// The calling thread, what it starts and what that executes have no capability from now on, and can gain none: not as uid 0, nor by
/// setuid programs or capabilities of files (no_new_privs). The process is not dumpable any more, until it executes another program.
Result<void> drop_all_capabilities();

/// While it lives, the calling thread is judged as if it had no capabilities. Where the kernel refuses that, it is judged as before.
class CapabilitiesAside {
 public:
  CapabilitiesAside();
  ~CapabilitiesAside();
  CapabilitiesAside(const CapabilitiesAside&) = delete;
  CapabilitiesAside& operator=(const CapabilitiesAside&) = delete;

 private:
  std::uint64_t effective_ = 0;  // to be given back
};

/// Each of the kernel's sets of 64 bits comes in two halves.
using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

/// capget(2) and capset(2), for which the C library has no functions. False: see errno.
bool get_capabilities(CapabilitySets& sets);
bool set_capabilities(const CapabilitySets& sets);

}  // namespace nswarden
