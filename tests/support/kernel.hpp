// SPDX-License-Identifier: Apache-2.0
// Whether a test case can run on this kernel. Only the tables of the daemon decide: kernel_features.hpp, key_traits.hpp.
#pragma once

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include <nswarden/netns/kernel_features.hpp>
#include <nswarden/policy/key_traits.hpp>
#include "catch.hpp"

namespace nswarden::test {

/// The series of the running kernel.
inline KernelVersion running_kernel() {
  utsname name{};
  ::uname(&name);
  unsigned version = 0;
  unsigned patch_level = 0;
  REQUIRE(std::sscanf(name.release, "%u.%u", &version, &patch_level) == 2);  // NOLINT(cert-err34-c)
  return {static_cast<std::uint8_t>(version), static_cast<std::uint8_t>(patch_level)};
}

/// Reports a skipped case or section if the kernel lacks a feature of the table.
inline bool lacks(std::string_view feature) {
  const auto table = kernel_features();
  REQUIRE(std::any_of(table.begin(), table.end(), [&](const KernelFeature& row) { return row.name == feature; }));
  if (has_kernel_feature(feature)) return false;
  WARN("skipped: this kernel has no " << feature);
  return true;
}

}  // namespace nswarden::test
