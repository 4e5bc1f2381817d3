// SPDX-License-Identifier: Apache-2.0
// `nswarden status`: asks the daemon over HTTP and prints what it sees. Needs no privilege. Its own thread only.
#pragma once

#include <nswarden/app/options.hpp>

namespace nswarden::app {

/// The exit code of the contract; 3 also when the daemon cannot be reached, is not ready or is not understood.
int show_status(const Options& options);

}  // namespace nswarden::app
