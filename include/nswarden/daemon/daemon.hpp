// SPDX-License-Identifier: Apache-2.0
// `nswarden run`: one epoll loop that owns all state. Everything that wakes it only says "look again".
#pragma once

#include <nswarden/cli/options.hpp>

namespace nswarden {

/// Runs until SIGTERM or SIGINT: 0. When it cannot start: 2, after one line on stderr (one for each problem of a configuration).
int run_daemon(const Options& options);

}  // namespace nswarden
