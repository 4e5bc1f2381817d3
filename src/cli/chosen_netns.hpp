// SPDX-License-Identifier: Apache-2.0
// The netns that a one-shot command works on, with the complaints about those that it cannot work on. Main thread.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include <nswarden/base/text.hpp>
#include <nswarden/cli/options.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/netns/selected_catalog.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/report/console.hpp>

namespace nswarden {

class ChosenNetns {
 public:
  /// The netns that `options` name, or all of the configured directories.
  ChosenNetns(const Options& options, const Config& config)
      : catalog_(netns_sources(netns_directories(options.config, config)), config.links), selected_(catalog_, options.netns) {}
  ChosenNetns(const ChosenNetns&) = delete;  // the catalogs know each other
  ChosenNetns& operator=(const ChosenNetns&) = delete;

  LinuxCatalog& catalog() { return catalog_; }  ///< all of them
  SelectedCatalog& selected() { return selected_; }

  /// Why no netns can be entered, and the remedy. Empty: they can.
  std::string hindrance() {
    const auto may = catalog_.may_enter();
    return may ? std::string() : cannot_enter_any(may.error().code);
  }
  /// The same on stderr. False: there is none.
  bool complain_of_hindrance() {
    const std::string reason = hindrance();
    if (!reason.empty()) complain(reason);
    return !reason.empty();
  }

  /// A line on stderr for each directory that could not be listed. False: there were none.
  bool complain_of(const std::vector<Listing::Failure>& failures) const {
    for (const Listing::Failure& failure : failures) {
      complain(fmt::format("cannot list {}: {}", printable(catalog_.sources()[failure.directory].directory),
                           error_text(failure.error.code)));
    }
    return !failures.empty();
  }
  /// A line on stderr for each name that the last listing did not find. False: there were none.
  [[nodiscard]] bool complain_of_missing() const {
    const std::vector<std::string> missing = selected_.not_found();
    for (const std::string& name : missing) complain(fmt::format("no netns is named {}", printable(name)));
    return !missing.empty();
  }

 private:
  LinuxCatalog catalog_;
  SelectedCatalog selected_;
};

}  // namespace nswarden
