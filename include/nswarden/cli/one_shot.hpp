// SPDX-License-Identifier: Apache-2.0
// The commands that run once and end: check, apply, explain, status, config check. Reports go to stdout, what is wrong to stderr.
#pragma once

#include <nswarden/cli/options.hpp>

namespace nswarden {

enum ExitCode : int { exit_compliant = 0, exit_drifted = 1, exit_usage = 2, exit_unreadable = 3 };

/// The exit code of the contract.
int run_one_shot(const Options& options);

}  // namespace nswarden
