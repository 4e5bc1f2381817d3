// SPDX-License-Identifier: Apache-2.0
// Kernel features newer than Linux 4.18 that the daemon uses, with the replacement on kernels that lack them: one table, which
// docs/kernels.md repeats. Found by trying, because distributions backport features and filters of system calls hide them
// (kernel fact 62). Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nswarden {

struct KernelFeature {
  std::string_view name;
  std::string_view since;      ///< version of Linux
  bool (*is_available)();      ///< tries it
  std::string_view otherwise;  ///< what the daemon uses without it
  std::string_view limit;      ///< what is weaker then; empty if nothing is
};

std::span<const KernelFeature> kernel_features();

/// Looks a feature up by its name and tries it.
bool has_kernel_feature(std::string_view name);

/// What is weaker on this kernel, one line for each missing feature. Empty since Linux 5.19.
std::vector<std::string> kernel_limits();

}  // namespace nswarden
