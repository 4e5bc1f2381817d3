// SPDX-License-Identifier: Apache-2.0
// Capabilities (capabilities(7)) of the calling thread, which each thread has for itself. Nothing here allocates; safe after fork.
#pragma once

#include <cstdint>

#include <nswarden/core/result.hpp>

namespace nswarden::os {

/// The calling thread, what it starts and what that executes have no capability from now on, and can gain none: not as uid 0, nor by
/// setuid programs or capabilities of files (no_new_privs). The process is not dumpable any more, until it executes another program.
core::Result<void> drop_all_capabilities();

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

}  // namespace nswarden::os
