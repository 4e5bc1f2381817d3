// SPDX-License-Identifier: Apache-2.0
// The command line, as parsed: what to do and with what. Flags that the configuration may also set are empty when not given.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nswarden/report/log.hpp>
#include <nswarden/web/web.hpp>

namespace nswarden {

enum class Command : std::uint8_t {
  run,
  check,
  apply,
  explain,
  config_check,
  config_convert,
  config_events,
  config_schema,
  status,
  healthcheck
};
enum class Output : std::uint8_t { table, json };

inline constexpr std::string_view default_config_file = "/etc/nswarden/nswarden.yaml";
inline constexpr std::string_view default_netns_dir = "/run/netns";
inline constexpr std::chrono::seconds default_reconcile_interval{10};
inline constexpr std::chrono::seconds default_command_timeout{30};

inline constexpr std::size_t default_series_limit = 200;

/// Where `status` and `healthcheck` ask, and how.
struct StatusOptions {
  std::string url = "http://127.0.0.1:10042";
  std::chrono::milliseconds timeout{5000};  ///< for all of it
  std::size_t events = 10;                  ///< how many are shown
  std::string ca_file;                      ///< empty: the CAs of the system
  std::string cert_file;                    ///< both or none
  std::string key_file;
};

struct Options {
  Command command = Command::run;
  std::optional<std::string> config_file;  ///< none: the default path, or the built-in policy when that is absent
  std::vector<std::string> netns_dirs;     ///< absolute; none: the configuration's, or the default
  std::optional<std::chrono::milliseconds> reconcile_interval;
  std::optional<std::chrono::milliseconds> command_timeout;
  std::optional<std::uint32_t> repair_budget;
  std::optional<std::chrono::milliseconds> repair_window;
  std::optional<std::string> lock_file;  ///< none: one for each netns directory
  std::size_t series_limit = default_series_limit;
  bool per_netns = false;                   ///< export drift of each netns and policy, however many there are
  std::optional<std::string> restore_file;  ///< none: `restore`, where the locks lie
  bool audit = false;
  bool dry_run = false;
  bool restore = false;  ///< apply puts back what policies changed
  bool live = false;     ///< config check looks at the netns too
  bool all = false;      ///< reports list compliant settings too
  WebOptions web;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::logfmt;
  Output output = Output::table;
  std::vector<std::string> netns;  ///< names or full paths given to check, apply, explain and status
  std::optional<std::string> key;  ///< given to explain
  StatusOptions status;
  std::optional<std::string> procfs;  ///< absolute; none: as $NSWARDEN_PROCFS says, or /proc
};

/// What to do, or the exit code of a call that ends here (help, version, a mistake: already printed, one line for a mistake).
std::variant<Options, int> parse_options(int argc, const char* const* argv);

}  // namespace nswarden
