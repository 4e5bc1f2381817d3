// SPDX-License-Identifier: Apache-2.0
// The one-shot commands: check, apply, explain, status, config check. Reports are written to stdout, errors to stderr.
#pragma once

#include <nswarden/cli/options.hpp>

namespace nswarden {

/// Returns the documented exit code.
int run_one_shot(const Options& options);

/// Selects the procfs given by the options if the command needs one. Returns false, with an error printed, if it is not a
/// procfs.
bool choose_procfs(const Options& options);

}  // namespace nswarden
