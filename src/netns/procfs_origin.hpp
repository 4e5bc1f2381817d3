// SPDX-License-Identifier: Apache-2.0
// Whether the procfs that we use is the one that the rest of the host uses. systemd gives a unit one of its own for some settings,
// and then no write of others is ever seen, without any error (kernel fact 18).
#pragma once

#include <cstdint>
#include <string>

namespace nswarden {

enum class ProcfsOrigin : std::uint8_t {
  shared,  ///< process 1 has the same
  own,     ///< process 1 has another
  unknown  ///< its mount table cannot be read
};

/// Of the file system at `directory`. It reads the mount table of the process whose /proc directory is `outside`, so not often
/// (kernel fact 24).
ProcfsOrigin procfs_origin(const std::string& directory, const std::string& outside = "/proc/1");

}  // namespace nswarden
