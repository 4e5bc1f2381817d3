// SPDX-License-Identifier: Apache-2.0
// Whether this mount namespace shows later actions of other processes: the netns that they create and their writes to sysctls.
// A netns is a mount, and a mount made in another mount namespace arrives only where it propagates to. Otherwise its name
// remains an empty file, no event reports it and no sweep finds it (kernel fact 9). The daemon cannot change propagation from
// within, so it only reports it. Loop thread, at start and after a directory was replaced. Each call reads a mount table, so
// calls must be rare (kernel fact 24).
#pragma once

#include <cstdint>
#include <string>

namespace nswarden {

enum class OutsideMounts : std::uint8_t {
  visible,    ///< made in this mount namespace too, or propagated to it
  invisible,  ///< never visible here
  unknown     ///< the outside mount table cannot be read, or the kernel is older than Linux 5.8
};

/// Whether mounts made in `directory` (existing or not) by the process with the /proc directory `outside` are visible here.
/// Process 1 belongs to the host, except in a container with its own PID namespace, where it belongs to the container. There, a
/// directory bind-mounted from outside without propagation, the default of container engines, is also unseen.
OutsideMounts outside_mounts(const std::string& directory, const std::string& outside = "/proc/1");

/// Whether `directory` comes from outside a container whose own process has the /proc directory `first_process`. If so, the
/// processes that create netns there and write in them are not in the procfs of `first_process`.
bool is_shared_with_container(const std::string& directory, const std::string& first_process = "/proc/1");

/// Whether the daemon uses the same procfs as the rest of the host. Some settings of systemd give a unit its own procfs. Writes
/// of other processes are then invisible, without any error (kernel fact 18).
enum class ProcfsOrigin : std::uint8_t {
  shared,  ///< process 1 uses the same
  own,     ///< process 1 uses another
  unknown  ///< its mount table cannot be read
};

/// Origin of the file system at `directory`. Reads the mount table of the process with the /proc directory `outside`, so calls
/// must be rare (kernel fact 24).
ProcfsOrigin procfs_origin(const std::string& directory, const std::string& outside = "/proc/1");

}  // namespace nswarden
