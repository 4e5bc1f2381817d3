// SPDX-License-Identifier: Apache-2.0
// The commands that run once and end: check, apply, explain, status, config check. Reports go to stdout, what is wrong to stderr.
#pragma once

#include <nswarden/cli/options.hpp>

namespace nswarden {

/// The exit code of the contract.
int run_one_shot(const Options& options);

/// Uses the procfs that the options name, where the command needs one. False when that is none: then it has complained.
bool choose_procfs(const Options& options);

}  // namespace nswarden
