// SPDX-License-Identifier: Apache-2.0
// The mount of procfs that is used for sysctls, for writes of other processes and for looking at them: the one at /proc, or, in a
// container, the host's that is mounted elsewhere, as the container's own is read-only and reports no write that is made outside
// (kernel facts 17 and 18). Files about this process itself are always read at /proc. Chosen at start, then any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Before there are threads and before anything else here is used. Refuses, with no effect, what is no procfs (EMEDIUMTYPE) or cannot
/// be looked at.
Result<void> use_procfs(std::string directory);

/// Its directory, absolute.
const std::string& procfs();

/// `path` in it, such as "1/ns/net".
std::string in_procfs(std::string_view path);

/// Names in a directory of sys/net of our own netns, such as "ipv4/conf/default"; none where it cannot be read.
std::vector<std::string> home_sysctls(std::string_view directory);

/// Whether no process can write a sysctl through it: container engines mount /proc/sys like that.
bool procfs_is_read_only();

/// False in a container, unless it has the host's PID namespace.
bool in_first_pid_namespace();

}  // namespace nswarden
