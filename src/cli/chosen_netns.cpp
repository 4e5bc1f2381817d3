// SPDX-License-Identifier: Apache-2.0
#include "cli/chosen_netns.hpp"

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/configuration.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/report/console.hpp>

namespace nswarden {

ChosenNetns::ChosenNetns(const Options& options, const Config& config)
    : catalog_(netns_sources(netns_directories(options.config, config)), config.links), selected_(catalog_, options.netns) {}

std::string ChosenNetns::hindrance() {
  const auto may = catalog_.may_enter();
  return may ? std::string() : cannot_enter_any(may.error().code);
}

bool ChosenNetns::complain_of(const std::vector<Listing::Failure>& failures) const {
  for (const Listing::Failure& failure : failures) {
    complain(fmt::format("cannot list {}: {}", printable(catalog_.sources()[failure.directory].directory),
                         error_text(failure.error.code)));
  }
  return !failures.empty();
}

bool ChosenNetns::complain_of_missing() const {
  const std::vector<std::string> missing = selected_.not_found();
  for (const std::string& name : missing) complain(fmt::format("no netns is named {}", printable(name)));
  return !missing.empty();
}

}  // namespace nswarden
