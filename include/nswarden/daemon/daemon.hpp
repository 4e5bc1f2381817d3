// SPDX-License-Identifier: Apache-2.0
// `nswarden run`: one epoll loop that owns all state. Every event only triggers a check.
#pragma once

#include <algorithm>
#include <cstddef>

#include <nswarden/daemon/daemon_options.hpp>

namespace nswarden {

/// Number of open files for bound netns (kernel fact 20): the limit minus a reserve for HTTP connections (about 600), watches,
/// logs, pending writes in the slow writer, writers of drifts and one netns being entered.
constexpr std::size_t fd_budget(std::size_t limit) { return limit - std::min<std::size_t>(limit / 2, 1024); }

/// Runs until SIGTERM or SIGINT and returns 0. Returns 2 when it cannot start, after one line on stderr (one per problem for a
/// configuration).
int run_daemon(const DaemonOptions& options);

}  // namespace nswarden
