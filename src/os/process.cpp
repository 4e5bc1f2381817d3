// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/process.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include <nswarden/base/text.hpp>
#include <nswarden/os/file.hpp>

namespace nswarden {
namespace {

/// The first version of the kernel's struct sched_attr, which C libraries define only since 2025.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;  // ns; the slice under SCHED_OTHER, 0 for the default
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

constexpr std::uint64_t shortest_slice = 100'000;  // the kernel takes nothing below

constexpr std::size_t largest_proc_file = std::size_t{16} << 20;  // /proc/stat has a column for each interrupt

// Field numbers of /proc/self/stat as in proc(5).
enum StatField : std::size_t { utime = 14, stime = 15, starttime = 22, vsize = 23, rss = 24, stat_fields = 25 };
using StatFields = std::array<std::uint64_t, stat_fields>;

Result<StatFields> read_stat() {
  const Result<std::string> text = read_file("/proc/self/stat", 4096);
  if (!text) return text.error();
  // The second field is the program's name in parentheses; it may contain blanks and parentheses.
  std::string_view rest = *text;
  rest.remove_prefix(text->rfind(')') + 2);
  StatFields fields{};
  for (std::size_t field = 3; field < stat_fields && !rest.empty(); ++field) {
    fields[field] = parse_number<std::uint64_t>(take_until(rest, ' ')).value_or(0);
  }
  return fields;
}

double ticks_per_second() { return static_cast<double>(::sysconf(_SC_CLK_TCK)); }

double boot_time() {
  const Result<std::string> text = read_file("/proc/stat", largest_proc_file);
  if (!text) return 0;
  constexpr std::string_view label = "\nbtime ";
  std::string_view rest = *text;
  const std::size_t at = rest.find(label);
  if (at == std::string_view::npos) return 0;
  rest.remove_prefix(at + label.size());
  return static_cast<double>(parse_number<std::uint64_t>(take_until(rest, '\n')).value_or(0));
}

std::size_t count_open_fds() {
  struct stat status {};
  // Since Linux 6.2 the size of this directory is the number of fds (kernel fact 67).
  if (::stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return static_cast<std::size_t>(status.st_size);
  const Fd directory = open_directory("/proc/self/fd");
  if (!directory) return 0;
  std::size_t count = 0;
  (void)read_directory(directory.get(), "count files", [&](const char*, auto) { ++count; });
  return count - 1;  // the directory's own fd
}

}  // namespace

std::size_t open_files_limit() {
  rlimit limit{};
  // Cannot fail for a valid resource.
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
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
    // open returns the lowest free number, and all lower ones are in use. No O_CLOEXEC: children inherit these three.
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) std::abort();
  }
}

void request_short_slices() {
  SchedulingAttributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) return;
  constexpr std::uint64_t reset_on_fork = 1;
  attributes.flags |= reset_on_fork;
  attributes.runtime = shortest_slice;
  // A failure, on an older kernel or by a system call filter, is harmless.
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void lower_priority() {
  constexpr int lower = 10;
  // On Linux each thread has its own nice value. Raising it needs no privilege; after a failure, scheduling is less even.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), lower);
}

std::chrono::nanoseconds kernel_tick() {
  // The coarse clock advances once per tick and reports that as its resolution; HZ itself is not exposed.
  timespec resolution{};
  if (::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) != 0) return std::chrono::nanoseconds(0);
  return std::chrono::seconds(resolution.tv_sec) + std::chrono::nanoseconds(resolution.tv_nsec);
}

std::optional<std::size_t> count_threads() {
  struct stat status {};
  constexpr std::size_t not_threads = 2;  // links from the parent directory and from itself
  if (::stat("/proc/self/task", &status) != 0 || status.st_nlink <= not_threads) return std::nullopt;
  return status.st_nlink - not_threads;
}

ProcessMeter::ProcessMeter() {
  const Result<StatFields> fields = read_stat();
  if (fields) start_time_ = boot_time() + static_cast<double>((*fields)[starttime]) / ticks_per_second();
}

Result<ProcessStats> ProcessMeter::read() const {
  const Result<StatFields> fields = read_stat();
  if (!fields) return fields.error();
  ProcessStats stats;
  stats.cpu_seconds = static_cast<double>((*fields)[utime] + (*fields)[stime]) / ticks_per_second();
  stats.start_time_seconds = start_time_;
  stats.resident_bytes = (*fields)[rss] * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  stats.virtual_bytes = (*fields)[vsize];
  stats.open_fds = count_open_fds();
  stats.max_fds = open_files_limit();
  return stats;
}

}  // namespace nswarden
