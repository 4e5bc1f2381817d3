// SPDX-License-Identifier: Apache-2.0
// The version of this build. CMake generates the source file, so this unit has only a header. Any thread.
#pragma once

#include <string_view>

namespace nswarden {

struct BuildInfo {
  std::string_view version;
  std::string_view revision;  ///< git revision, or "unknown"
  std::string_view compiler;
};
BuildInfo build_info();

}  // namespace nswarden
