// SPDX-License-Identifier: Apache-2.0
// Whether a netns that others make from now on can be seen here at all. A netns is a mount, and a mount made in another mount
// namespace arrives only where it propagates to; else its name stays an empty file for ever, no event tells of it and no sweep
// finds it (kernel fact 9). Nothing can be done about it from within: it is only told. Loop thread, at start and when a
// directory was replaced; it reads the mount table, so not often (kernel fact 24).
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

}  // namespace nswarden
