// SPDX-License-Identifier: Apache-2.0
// Whether this mount namespace shows what other processes do from now on: the netns that they make and their writes to sysctls.
// A netns is a mount, and a mount made in another mount namespace arrives only where it propagates to; else its name stays an empty
// file for ever, no event reports it and no sweep finds it (kernel fact 9). The daemon cannot change that from within: it only
// reports it. Loop thread, at start and when a directory was replaced; each call reads a mount table, so not often (kernel fact 24).
#pragma once

#include <cstdint>
#include <string>

namespace nswarden {

enum class OutsideMounts : std::uint8_t {
  seen,    ///< made in this mount namespace too, or propagated to it
  unseen,  ///< never seen here
  unknown  ///< the mount table of the one outside cannot be read, or the kernel is older than Linux 5.8
};

/// Of mounts that the process whose /proc directory is `outside` makes in `directory`, absent or not. Process 1 is the host, but
/// in a container with a PID namespace of its own, where it is one of us. There a directory that was bind-mounted from elsewhere
/// without propagation, as container engines do when they are not told otherwise, is unseen too.
OutsideMounts outside_mounts(const std::string& directory, const std::string& outside = "/proc/1");

/// Whether `directory` comes from outside of a container in which the process whose /proc directory is `first_process` is one of us.
/// Then those who make the netns there, and write in them, are no processes of the procfs that this directory is of.
bool is_lent_to_container(const std::string& directory, const std::string& first_process = "/proc/1");

/// Whether the procfs that we use is the one that the rest of the host uses. systemd gives a unit one of its own for some settings,
/// and then no write of another process is seen, without any error (kernel fact 18).
enum class ProcfsOrigin : std::uint8_t {
  shared,  ///< process 1 has the same
  own,     ///< process 1 has another
  unknown  ///< its mount table cannot be read
};

/// Of the file system at `directory`. It reads the mount table of the process whose /proc directory is `outside`, so not often
/// (kernel fact 24).
ProcfsOrigin procfs_origin(const std::string& directory, const std::string& outside = "/proc/1");

}  // namespace nswarden
