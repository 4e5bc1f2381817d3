// SPDX-License-Identifier: Apache-2.0
// `nswarden status` and `nswarden healthcheck`: query the daemon over HTTP and print the response. Need no privilege. Main
// thread.
#pragma once

#include <nswarden/cli/options.hpp>

namespace nswarden {

/// Returns the documented exit code: 3 also if the daemon is unreachable, not ready or incompatible.
int show_status(const Options& options);

/// Returns 0 if the daemon is healthy and ready, and prints its message; 1 if not, or if it is unreachable.
int check_health(const Options& options);

}  // namespace nswarden
