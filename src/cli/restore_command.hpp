// SPDX-License-Identifier: Apache-2.0
// Restoring by the commands that run once. Loop thread only.
#pragma once

#include <vector>

#include <nswarden/cli/options.hpp>
#include <nswarden/config/configuration.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/policy/policy.hpp>

namespace nswarden {

/// `apply --restore`: puts back what the book says, in the netns that were named or all. Refuses while a daemon governs one of the
/// directories, and keeps others from starting meanwhile. The exit code of the contract.
int restore_values(const Options& options, const LoadedConfig& configuration);

/// What `apply` overwrote for policies with `restore`, so that it can be put back. Says so on stderr when it cannot be kept, as
/// while a daemon keeps the book.
void keep_overwritten(const Options& options, const PolicySet& policies, const std::vector<Report>& reports);

}  // namespace nswarden
