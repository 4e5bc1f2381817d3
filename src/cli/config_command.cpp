// SPDX-License-Identifier: Apache-2.0
#include "cli/config_command.hpp"

#include <fmt/format.h>

#include <cstddef>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config_convert.hpp>
#include <nswarden/config/config_schema.hpp>
#include <nswarden/policy/inotify_events.hpp>
#include <nswarden/report/console.hpp>
#include "cli/check_command.hpp"

namespace nswarden {

int check_configuration(const Options& options, const LoadedConfig& configuration) {
  std::size_t settings = 0;
  for (const auto& policy : configuration.config.policies) settings += policy.sysctls.size();
  fmt::print("{}: ok, {} {}, {} {}\n", printable(configuration.source), configuration.config.policies.size(),
             configuration.config.policies.size() == 1 ? "policy" : "policies", settings,
             settings == 1 ? "setting" : "settings");
  if (configuration.config.form == Config::Form::older) {
    fmt::print(
        "It has the older form of netns-events: commands are run, and no sysctls are wanted; nswarden config convert {} "
        "writes it as native policies.\n",
        printable(configuration.source));
  }
  return options.live ? review_configuration(options, configuration) : int{exit_compliant};
}

int print_converted(const LoadedConfig& configuration) {
  if (configuration.config.form != Config::Form::older) {
    complain(fmt::format("{} has the native form already; there is nothing to convert", printable(configuration.source)));
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

}  // namespace nswarden
