// SPDX-License-Identifier: Apache-2.0
// Which capabilities (capabilities(7)) this program was given, and why not more. For the main thread, before there are others.
#pragma once

#include <cstdint>

namespace nswarden::os {

/// By its number in linux/capability.h.
enum class Capability : std::uint8_t { net_admin = 12, sys_admin = 21 };

struct OwnCapabilities {
  [[nodiscard]] bool has(Capability capability) const { return holds(effective, capability); }
  [[nodiscard]] bool could_have(Capability capability) const { return holds(bounding, capability); }
  static bool holds(std::uint64_t set, Capability capability) { return (set >> static_cast<unsigned>(capability) & 1U) != 0; }

  std::uint64_t effective = 0;  ///< a bit for each
  std::uint64_t bounding = 0;   ///< what a program file or a parent could have given
  bool no_new_privs = false;    ///< what the program file would give does not count
  bool root = false;            ///< effective uid 0
};

OwnCapabilities own_capabilities();

/// Makes those effective that are permitted and of use. A program file with permitted capabilities and no effective flag can be
/// executed by who may not have all of them; with the flag, exec fails with EPERM, which tells nobody what is missing.
void raise_permitted_capabilities();

}  // namespace nswarden::os
