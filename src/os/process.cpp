// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/process.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <ctime>

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

std::size_t open_files_limit() {
  rlimit limit{};
  // Cannot fail for a resource that exists.
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

Result<void> set_open_files_limit(std::size_t files) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = files;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return Error{errno, "set the limit of open files"};
  return {};
}

Result<std::size_t> raise_open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return Error{errno, "raise the limit of open files"};
  return static_cast<std::size_t>(limit.rlim_cur);
}

void fill_standard_fds() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // open takes the lowest free number, and all below this one are in use. Not O_CLOEXEC: children inherit these three.
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) std::abort();
  }
}

void ask_for_short_turns() {
  SchedulingAttributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) return;
  constexpr std::uint64_t reset_on_fork = 1;
  attributes.flags |= reset_on_fork;
  attributes.runtime = shortest_slice;
  // A failure, on an older kernel or by a filter of system calls, does no harm.
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void give_way() {
  constexpr int lower = 10;
  // Each thread of Linux has a niceness of its own. Lowering it needs no privilege; a failure makes turns less even, no more.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), lower);
}

std::chrono::nanoseconds kernel_tick() {
  // The coarse clock goes on once a tick, and says so; HZ itself is nowhere to be read.
  timespec resolution{};
  if (::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) != 0) return std::chrono::nanoseconds(0);
  return std::chrono::seconds(resolution.tv_sec) + std::chrono::nanoseconds(resolution.tv_nsec);
}

}  // namespace nswarden
