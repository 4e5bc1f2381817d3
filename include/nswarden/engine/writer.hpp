// SPDX-License-Identifier: Apache-2.0
// A process that wrote a sysctl, as far as it could still be told. Never a guess: what is not known is empty. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nswarden {

struct Writer {
  std::int64_t pid = 0;  ///< as our PID namespace has it; 0 when it is not visible there
  std::string comm;      ///< bytes, as all strings here
  std::string exe;
  std::optional<std::uint32_t> uid;  ///< effective
  std::string cgroup;                ///< path of the unified hierarchy
  std::string container;             ///< 64 hexadecimal digits
  std::string unit;                  ///< of systemd
  double time = 0;                   ///< when its write was seen, Unix time in seconds
};

/// What the path of a cgroup says of the process in it, by the naming of systemd, Docker, containerd, CRI-O and Podman.
struct CgroupNames {
  std::string container;  ///< the innermost. Not of the process that only watches over it, as in libpod-conmon-ID.scope
  std::string unit;  ///< the innermost service, scope, socket, mount or swap; only where there is none, the innermost slice
};
CgroupNames names_of_cgroup(std::string_view path);

}  // namespace nswarden
