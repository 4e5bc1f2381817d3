// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/own_capabilities.hpp>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace nswarden::os {
namespace {

constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }
constexpr std::uint64_t of_use = bit(CAP_SYS_ADMIN) | bit(CAP_NET_ADMIN) | bit(CAP_NET_BROADCAST) | bit(CAP_SYS_PTRACE);

/// Two halves of 32 bits each, as the kernel wants them.
using CapabilityHalves = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

bool ask_capabilities(CapabilityHalves& halves) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capget, &header, halves.data()) == 0;
}

}  // namespace

OwnCapabilities own_capabilities() {
  OwnCapabilities own;
  CapabilityHalves halves{};
  if (ask_capabilities(halves)) own.effective = halves[0].effective | std::uint64_t{halves[1].effective} << 32;
  for (int capability = 0; capability < 64; ++capability) {
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) own.bounding |= bit(capability);
  }
  own.no_new_privs = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  own.root = ::geteuid() == 0;
  return own;
}

void raise_permitted_capabilities() {
  CapabilityHalves halves{};
  if (!ask_capabilities(halves)) return;
  halves[0].effective |= halves[0].permitted & static_cast<std::uint32_t>(of_use);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  (void)::syscall(SYS_capset, &header, halves.data());
}

}  // namespace nswarden::os
