// SPDX-License-Identifier: Apache-2.0
// The command line, as parsed: what to do and with what. Flags that the configuration may also set are empty when not given.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nswarden/daemon/daemon_options.hpp>

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

/// Paths; empty: the CAs of the system, and no client certificate.
struct TlsFiles {
  std::string ca_file;
  std::string cert_file;  ///< with `key_file` or not at all
  std::string key_file;
};

/// Where `status` and `healthcheck` ask, and how.
struct StatusOptions {
  std::string url = "http://127.0.0.1:10042";
  std::chrono::milliseconds timeout{5000};  ///< for all of it
  std::size_t events = 10;                  ///< how many are shown
  TlsFiles tls;
};

struct Options : DaemonOptions {
  Command command = Command::run;
  bool dry_run = false;
  bool restore = false;  ///< apply puts back what policies changed
  bool live = false;     ///< config check looks at the netns too
  bool all = false;      ///< reports list compliant settings too
  Output output = Output::table;
  std::vector<std::string> netns;  ///< names or full paths given to check, apply, explain and status
  std::optional<std::string> key;  ///< given to explain
  StatusOptions status;
  std::optional<std::string> procfs;  ///< absolute; none: as $NSWARDEN_PROCFS says, or /proc
};

/// What to do, or the exit code of a call that ends here (help, version, a mistake: already printed, one line for a mistake).
std::variant<Options, int> parse_options(int argc, const char* const* argv);

}  // namespace nswarden
