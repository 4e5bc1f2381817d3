// SPDX-License-Identifier: Apache-2.0
#include <nswarden/cli/one_shot.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <system_error>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config_convert.hpp>
#include <nswarden/config/config_schema.hpp>
#include <nswarden/os/procfs.hpp>
#include <nswarden/policy/inotify_events.hpp>
#include <nswarden/report/console.hpp>
#include "cli/check_command.hpp"
#include "cli/restore_command.hpp"
#include "cli/status_command.hpp"

namespace nswarden {
namespace {

/// Returns nullopt after printing the problems.
std::optional<LoadedConfig> load_or_print_problems(const Options& options) {
  auto loaded = load_configuration(options.config);
  if (auto* configuration = std::get_if<LoadedConfig>(&loaded)) return std::move(*configuration);
  for (const std::string& line : std::get<RejectedConfig>(loaded).lines) fmt::print(stderr, "{}\n", line);
  return std::nullopt;
}

/// `config check`: the configuration was loaded, so it is valid.
int check_configuration(const Options& options, const LoadedConfig& configuration) {
  std::size_t settings = 0;
  for (const auto& policy : configuration.config.policies) settings += policy.sysctls.size();
  fmt::print("{}: ok, {} {}, {} {}\n", printable(configuration.source), configuration.config.policies.size(),
             configuration.config.policies.size() == 1 ? "policy" : "policies", settings,
             settings == 1 ? "setting" : "settings");
  if (configuration.config.form == Config::Form::older) {
    fmt::print(
        "It has the older form of netns-events, with commands and without sysctls; nswarden config convert {} prints it as "
        "native policies.\n",
        printable(configuration.source));
  }
  return options.live ? review_configuration(options, configuration) : int{exit_compliant};
}

/// `config convert`: prints the older form as native policies.
int print_converted(const LoadedConfig& configuration) {
  if (configuration.config.form != Config::Form::older) {
    print_to_stderr(fmt::format("cannot convert {}: it already has the native form", printable(configuration.source)));
    return exit_usage;
  }
  fmt::print("{}", convert_config(configuration.config));
  return exit_compliant;
}

int print_events() {
  for (const InotifyEvent& event : inotify_events()) fmt::print("{:<17} {}\n", event.name, event.meaning);
  return exit_compliant;
}

int print_schema() {
  fmt::print("{}", config_schema());
  return exit_compliant;
}

int run_command(const Options& options) {
  if (options.command == Command::config_events) return print_events();
  if (options.command == Command::config_schema) return print_schema();
  if (options.command == Command::status) return show_status(options);
  if (options.command == Command::healthcheck) return check_health(options);
  const auto configuration = load_or_print_problems(options);
  if (!configuration) return exit_usage;
  if (options.command == Command::config_convert) return print_converted(*configuration);
  try {
    if (options.restore) return restore_values(options, *configuration);
    if (options.command == Command::explain) return explain_netns(options, *configuration);
    if (options.command == Command::config_check) return check_configuration(options, *configuration);
    return check_netns(options, *configuration);
  } catch (const std::system_error& error) {
    print_to_stderr(error.what());
    return exit_unreadable;
  }
}

}  // namespace

int run_one_shot(const Options& options) {
  const int code = run_command(options);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  print_to_stderr(fmt::format("cannot write the report: {}", error_text(errno)));
  return code == exit_compliant ? int{exit_unreadable} : code;
}

bool choose_procfs(const Options& options) {
  constexpr const char* procfs_variable = "NSWARDEN_PROCFS";
  const auto without_procfs = {Command::config_convert, Command::config_events, Command::config_schema, Command::status,
                               Command::healthcheck};
  if (std::find(without_procfs.begin(), without_procfs.end(), options.command) != without_procfs.end()) return true;
  if (options.command == Command::config_check && !options.live) return true;
  const bool is_explicit = options.procfs.has_value();
  const char* variable = std::getenv(procfs_variable);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const std::string directory = is_explicit ? *options.procfs : variable == nullptr ? "" : variable;
  if (directory.empty() && !is_explicit) return true;
  const auto used = use_procfs(directory);
  if (used) return true;
  const int error = used.error().code;
  const std::string reason = error == EMEDIUMTYPE ? "not a procfs" : error_text(error);
  print_to_stderr(
      fmt::format("cannot use {} {}: {}: {}; mount the host's /proc there, writable (-v /proc:{}, or a hostPath volume)",
                  is_explicit ? "--path.procfs" : procfs_variable, printable(directory), used.error().attempt, reason,
                  printable(directory)));
  return false;
}

}  // namespace nswarden
