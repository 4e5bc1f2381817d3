// SPDX-License-Identifier: Apache-2.0
// `nswarden run`: one epoll loop that owns all state. Everything that wakes it only says "look again".
#pragma once

#include <algorithm>
#include <cstddef>

#include <nswarden/daemon/daemon_options.hpp>

namespace nswarden {

/// How many open files bound netns may hold (kernel fact 20): the limit less those that HTTP connections (some 600), watches, logs, writes
/// that wait in the slow writer, writers of drifts and one netns being entered need.
constexpr std::size_t fd_budget(std::size_t limit) { return limit - std::min<std::size_t>(limit / 2, 1024); }

/// Runs until SIGTERM or SIGINT: 0. When it cannot start: 2, after one line on stderr (one for each problem of a configuration).
int run_daemon(const DaemonOptions& options);

}  // namespace nswarden
