// SPDX-License-Identifier: Apache-2.0
// The version that is compiled in. CMake makes the source, so the header is all of this unit. Any thread.
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
