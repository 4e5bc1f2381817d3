// SPDX-License-Identifier: Apache-2.0
// `nswarden status` and `nswarden healthcheck`: ask the daemon over HTTP and print what it says. Need no privilege. Own thread only.
#pragma once

#include <nswarden/cli/options.hpp>

namespace nswarden {

/// The exit code of the contract; 3 also when the daemon cannot be reached, is not ready or is not understood.
int show_status(const Options& options);

/// 0 when it is healthy and ready, with its own words, and 1 when it is not or cannot be reached.
int check_health(const Options& options);

}  // namespace nswarden
