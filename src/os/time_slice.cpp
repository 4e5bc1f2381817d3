// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/time_slice.hpp>

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace nswarden {
namespace {

/// The first version of the kernel's struct sched_attr, which C libraries have only since 2025.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;  // ns; of SCHED_OTHER: the slice, 0 for the system's
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

constexpr std::uint64_t shortest_slice = 100'000;  // the kernel takes nothing below

}  // namespace

void ask_for_short_turns() {
  SchedulingAttributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) return;
  constexpr std::uint64_t reset_on_fork = 1;
  attributes.flags |= reset_on_fork;
  attributes.runtime = shortest_slice;
  // What an older kernel, or a filter of system calls, makes of it is no matter.
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void give_way() {
  constexpr int lower = 10;
  // Of Linux's threads each has its own. Lowering it takes no right; where it fails all goes on, only less evenly.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), lower);
}

}  // namespace nswarden
