// SPDX-License-Identifier: Apache-2.0
// The procfs mount used for sysctls, for watching writes of other processes and for describing those processes. It is /proc or,
// in a container, the host's procfs mounted elsewhere: the container's own is read-only and reports no write from outside
// (kernel facts 17 and 18). Files about this process itself are always read in /proc. Chosen at start by the main thread, then
// read by any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Call before other threads start and before any other function here. Without effect if it fails: EMEDIUMTYPE if the directory
/// is not a procfs, otherwise the errno of the check.
Result<void> use_procfs(std::string directory);

/// The absolute path of the mount.
const std::string& procfs();

/// `path`, such as "1/ns/net", below procfs().
std::string in_procfs(std::string_view path);

/// Names in a directory of sys/net of the daemon's own netns, such as "ipv4/conf/default"; empty if it cannot be read.
std::vector<std::string> home_sysctls(std::string_view directory);

/// Whether the mount allows no writes to sysctls: container engines mount /proc/sys read-only.
bool procfs_is_read_only();

/// Release of the running kernel, such as "6.12.117-amd64"; "unknown" if it cannot be read.
std::string kernel_release();

/// False in a container, unless it shares the host's PID namespace.
bool in_first_pid_namespace();

}  // namespace nswarden
