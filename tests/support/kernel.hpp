// SPDX-License-Identifier: Apache-2.0
// Whether a test case can run on this kernel. Only the daemon's own table of features decides.
#pragma once

#include <algorithm>
#include <string_view>

#include <nswarden/netns/kernel_features.hpp>
#include "catch.hpp"

namespace nswarden::test {

/// Reports a skipped case or section if the kernel lacks a feature of the table.
inline bool lacks(std::string_view feature) {
  const auto table = kernel_features();
  REQUIRE(std::any_of(table.begin(), table.end(), [&](const KernelFeature& row) { return row.name == feature; }));
  if (has_kernel_feature(feature)) return false;
  WARN("skipped: this kernel has no " << feature);
  return true;
}

}  // namespace nswarden::test
