// SPDX-License-Identifier: Apache-2.0
// The options of the daemon, as plain data. Separate from daemon.hpp because the parts of the daemon use them and may not
// include the function that owns these parts.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <nswarden/config/configuration.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/web/web_server.hpp>

namespace nswarden {

inline constexpr std::size_t default_series_limit = 200;

/// Flags of the daemon; one-shot commands share some.
struct DaemonOptions {
  ConfigOptions config;
  bool audit = false;                       ///< no policy enforces
  std::optional<std::string> lock_file;     ///< empty: one per netns directory
  std::optional<std::string> restore_file;  ///< empty: `restore`, next to the locks
  std::size_t series_limit = default_series_limit;
  bool per_netns = false;  ///< export drift of each netns and policy, without a limit
  WebOptions web;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::logfmt;
};

}  // namespace nswarden
