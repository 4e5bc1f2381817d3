// SPDX-License-Identifier: Apache-2.0
// The parsed command line: a command and its options. Flags that the configuration may also set are empty when not given.
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

/// Paths; empty for the system's CAs and no client certificate.
struct TlsFiles {
  std::string ca_file;
  std::string cert_file;  ///< set together with `key_file`
  std::string key_file;
};

/// Address and connection options of `status` and `healthcheck`.
struct StatusOptions {
  std::string url = "http://127.0.0.1:10042";
  std::chrono::milliseconds timeout{5000};  ///< for the whole command
  std::size_t events = 10;                  ///< number of events shown
  TlsFiles tls;
};

struct Options : DaemonOptions {
  Command command = Command::run;
  bool dry_run = false;
  bool restore = false;  ///< apply restores values that policies changed
  bool live = false;     ///< config check also sweeps the present netns
  bool all = false;      ///< reports include compliant settings
  Output output = Output::table;
  std::vector<std::string> netns;  ///< names or full paths for check, apply, explain and status
  std::optional<std::string> key;  ///< for explain
  StatusOptions status;
  std::optional<std::string> procfs;  ///< absolute; nullopt for $NSWARDEN_PROCFS or /proc
};

/// Returns the options, or the exit code of a command line that ends here: help, version, or an error, which is printed as
/// one line.
std::variant<Options, int> parse_options(int argc, const char* const* argv);

}  // namespace nswarden
