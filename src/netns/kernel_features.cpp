// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/kernel_features.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/fanotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <nswarden/os/fd.hpp>
#include <nswarden/os/procfs.hpp>
#include "netns/fanotify_flags.hpp"
#include "netns/netns_entry.hpp"

namespace nswarden {
namespace {

Fd fanotify_group(unsigned flags) { return Fd(::fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | flags, O_RDONLY | O_CLOEXEC)); }

/// Without the privilege for fanotify the kernel refuses every group with EPERM, and an unknown flag with EINVAL.
bool knows_group_flag(unsigned flag) { return fanotify_group(flag) || errno != EINVAL; }

bool has_cookies() {
  const auto cookie = cookie_inside();
  return cookie && *cookie != 0;
}

bool has_evictable_marks() {
  const Fd group = fanotify_group(0);
  const std::string file = in_procfs("self/comm");
  return !group || ::fanotify_mark(group.get(), ignore_writes_flags, FAN_MODIFY, AT_FDCWD, file.c_str()) == 0 ||
         errno != EINVAL;
}

bool has_cookie_of_file() {
  return cookie_of_file(Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)).get()).has_value();
}

bool has_openat2() {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  return static_cast<bool>(Fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how))));
}

constexpr std::array features{
    KernelFeature{"openat2", "5.6", has_openat2, "each component is opened with O_NOFOLLOW", ""},
    KernelFeature{"close_range", "5.9", [] { return ::syscall(SYS_close_range, ~0U, ~0U, 0) == 0; },
                  "commands close the files that /proc/self/fd lists", ""},
    KernelFeature{
        "netns cookies", "5.14", has_cookies,
        "a netns is identified by the number of its inode, the time at which the kernel created that inode, and files held "
        "open",
        "a netns without a mounted name may be taken for a new one: its IN_CREATE commands may run again, and its values "
        "are not restored"},
    KernelFeature{"pidfd in fanotify events", "5.15", [] { return knows_group_flag(FAN_REPORT_PIDFD); },
                  "events have only a process id, which another process may have by then", "writers are not named"},
    KernelFeature{"evictable fanotify marks", "5.19", has_evictable_marks,
                  "no write to other files of /proc is ignored in the kernel",
                  "processes that write their own files of /proc in a loop cost CPU"},
    KernelFeature{"errors in fanotify events", "6.13", [] { return knows_group_flag(report_fd_error); },
                  "one event is read at a time, so that its error is that of the read", ""},
    KernelFeature{"netns cookie by ioctl", "6.18", has_cookie_of_file, "the cookie is read by a socket inside the netns", ""},
};

}  // namespace

std::span<const KernelFeature> kernel_features() { return features; }

bool has_kernel_feature(std::string_view name) {
  return std::any_of(features.begin(), features.end(),
                     [name](const KernelFeature& one) { return one.name == name && one.is_available(); });
}

std::vector<std::string> kernel_limits() {
  std::vector<std::string> limits;
  for (const KernelFeature& feature : features) {
    if (feature.limit.empty() || feature.is_available()) continue;
    limits.push_back(fmt::format("no {} (Linux {}): {}", feature.name, feature.since, feature.limit));
  }
  return limits;
}

}  // namespace nswarden
