// SPDX-License-Identifier: Apache-2.0
// A process that wrote a sysctl, as far as it could be identified. Unknown fields are empty, never guessed. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nswarden {

struct Writer {
  std::int64_t pid = 0;  ///< in the daemon's PID namespace; 0 when it is not visible there
  std::string comm;      ///< bytes, as all strings here
  std::string exe;
  std::optional<std::uint32_t> uid;  ///< effective
  std::string cgroup;                ///< path of the unified hierarchy
  std::string container;             ///< 64 hexadecimal digits
  std::string unit;                  ///< of systemd
  double time = 0;                   ///< when its write was seen, Unix time in seconds
};

/// Names in the cgroup path of a process, as systemd, Docker, containerd, CRI-O and Podman form them.
struct CgroupNames {
  std::string container;  ///< the innermost; not that of its monitor, as in libpod-conmon-ID.scope
  std::string unit;       ///< the innermost service, scope, socket, mount or swap; otherwise the innermost slice
};
CgroupNames names_of_cgroup(std::string_view path);

}  // namespace nswarden
