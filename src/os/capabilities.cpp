// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/capabilities.hpp>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace nswarden {
namespace {

constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }
constexpr std::uint64_t useful_capabilities =
    bit(CAP_SYS_ADMIN) | bit(CAP_NET_ADMIN) | bit(CAP_NET_BROADCAST) | bit(CAP_SYS_PTRACE);

std::uint64_t effective_of(const CapabilitySets& sets) { return sets[0].effective | std::uint64_t{sets[1].effective} << 32; }

}  // namespace

bool get_capabilities(CapabilitySets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capget, &header, sets.data()) == 0;
}

bool set_capabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

OwnCapabilities own_capabilities() {
  OwnCapabilities own;
  CapabilitySets sets{};
  if (get_capabilities(sets)) own.effective = effective_of(sets);
  for (int capability = 0; capability < 64; ++capability) {
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) own.bounding |= bit(capability);
  }
  own.no_new_privs = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  own.root = ::geteuid() == 0;
  return own;
}

void raise_permitted_capabilities() {
  CapabilitySets sets{};
  if (!get_capabilities(sets)) return;
  sets[0].effective |= sets[0].permitted & static_cast<std::uint32_t>(useful_capabilities);
  (void)set_capabilities(sets);
}

Result<void> drop_all_capabilities() {
  // For ptrace(2) and /proc/PID/mem, a thread without capabilities is accessible to every process of its user that has none
  // either. Through it, so is the memory shared with threads that have some (kernel fact 60).
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return Error{errno, "forbid ptrace"};
  // First: otherwise uid 0 and file capabilities would restore them at the next exec.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Error{errno, "set no_new_privs"};
  // Also clears the ambient set, which is always a subset of the permitted and inheritable sets.
  if (!set_capabilities(CapabilitySets{})) return Error{errno, "drop capabilities"};
  return {};
}

CapabilitiesDisabled::CapabilitiesDisabled() {
  CapabilitySets sets{};
  if (!get_capabilities(sets)) return;
  const std::uint64_t effective = effective_of(sets);
  for (auto& half : sets) half.effective = 0;
  if (set_capabilities(sets)) effective_ = effective;
}

CapabilitiesDisabled::~CapabilitiesDisabled() {
  CapabilitySets sets{};
  if (effective_ == 0 || !get_capabilities(sets)) return;
  sets[0].effective = static_cast<std::uint32_t>(effective_);
  sets[1].effective = static_cast<std::uint32_t>(effective_ >> 32);
  // A thread may always make a permitted capability effective.
  (void)set_capabilities(sets);
}

}  // namespace nswarden
