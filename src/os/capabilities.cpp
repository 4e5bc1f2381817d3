// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/capabilities.hpp>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace nswarden::os {
namespace {

/// The kernel's sets of 64 bits, in two halves.
using Sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

// The C library has no functions for these two; libcap's allocate.
bool get_sets(Sets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capget, &header, sets.data()) == 0;
}

bool set_sets(const Sets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

}  // namespace

core::Result<void> drop_all_capabilities() {
  // To ptrace(2) and /proc/PID/mem a thread without capabilities is open to every process of its user that has none either, and
  // with it the memory that it shares with threads that have some.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return core::Error{errno, "forbid ptrace"};
  // First, or else uid 0 and files with capabilities would give them back at the next exec.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return core::Error{errno, "set no_new_privs"};
  // Takes the ambient set with it: that is never more than the permitted and inheritable ones.
  if (!set_sets(Sets{})) return core::Error{errno, "drop capabilities"};
  return {};
}

CapabilitiesAside::CapabilitiesAside() {
  Sets sets{};
  if (!get_sets(sets)) return;
  const std::uint64_t effective = sets[0].effective | std::uint64_t{sets[1].effective} << 32;
  for (auto& half : sets) half.effective = 0;
  if (set_sets(sets)) effective_ = effective;
}

CapabilitiesAside::~CapabilitiesAside() {
  Sets sets{};
  if (effective_ == 0 || !get_sets(sets)) return;
  sets[0].effective = static_cast<std::uint32_t>(effective_);
  sets[1].effective = static_cast<std::uint32_t>(effective_ >> 32);
  // What is permitted may always be made effective.
  (void)set_sets(sets);
}

}  // namespace nswarden::os
