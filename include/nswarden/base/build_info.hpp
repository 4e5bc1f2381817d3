// SPDX-License-Identifier: Apache-2.0
// What was built. The source is made by CMake.
#pragma once

#include <string_view>

namespace nswarden {

struct BuildInfo {
  std::string_view version;
  std::string_view revision;  ///< of git, or "unknown"
  std::string_view compiler;
};
BuildInfo build_info();

}  // namespace nswarden
