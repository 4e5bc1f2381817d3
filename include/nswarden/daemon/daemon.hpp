// SPDX-License-Identifier: Apache-2.0
// `nswarden run`: one epoll loop that owns all state. Everything that wakes it only says "look again".
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <nswarden/config/configuration.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/web/web_server.hpp>

namespace nswarden {

inline constexpr std::size_t default_series_limit = 200;

/// Flags of the daemon, some of which one-shot commands take too.
struct DaemonOptions {
  ConfigOptions config;
  bool audit = false;                       ///< no policy enforces
  std::optional<std::string> lock_file;     ///< none: one for each netns directory
  std::optional<std::string> restore_file;  ///< none: `restore`, where the locks lie
  std::size_t series_limit = default_series_limit;
  bool per_netns = false;  ///< export drift of each netns and policy, however many there are
  WebOptions web;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::logfmt;
};

/// Runs until SIGTERM or SIGINT: 0. When it cannot start: 2, after one line on stderr (one for each problem of a configuration).
int run_daemon(const DaemonOptions& options);

}  // namespace nswarden
