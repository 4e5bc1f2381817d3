// SPDX-License-Identifier: Apache-2.0
// Version and configuration that are compiled in. CMake makes both sources, so the header is all of this unit. Any thread.
#pragma once

#include <string_view>

namespace nswarden {

struct BuildInfo {
  std::string_view version;
  std::string_view revision;  ///< of git, or "unknown"
  std::string_view compiler;
};
BuildInfo build_info();

/// config/nswarden.yaml as it was at build time.
std::string_view builtin_config();

}  // namespace nswarden
