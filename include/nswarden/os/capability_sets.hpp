// SPDX-License-Identifier: Apache-2.0
// capget(2) and capset(2) of the calling thread, for which the C library has no functions; those of libcap allocate.
#pragma once

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>

namespace nswarden {

/// Each of the kernel's sets of 64 bits comes in two halves.
using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

/// False: see errno.
inline bool get_capabilities(CapabilitySets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capget, &header, sets.data()) == 0;
}

inline bool set_capabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

inline std::uint64_t effective_of(const CapabilitySets& sets) {
  return sets[0].effective | std::uint64_t{sets[1].effective} << 32;
}

}  // namespace nswarden
