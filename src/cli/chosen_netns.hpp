// SPDX-License-Identifier: Apache-2.0
// ChosenNetns lists the netns that a one-shot command works on and reports the ones it cannot process. Main thread.
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
  /// Selects the netns that `options` name, or all netns of the configured directories.
  ChosenNetns(const Options& options, const Config& config)
      : catalog_(netns_sources(netns_directories(options.config, config)), config.links), selected_(catalog_, options.netns) {}
  ChosenNetns(const ChosenNetns&) = delete;  // the catalogs refer to each other
  ChosenNetns& operator=(const ChosenNetns&) = delete;

  LinuxCatalog& catalog() { return catalog_; }  ///< all netns
  SelectedCatalog& selected() { return selected_; }

  /// The reason why netns cannot be entered, with the remedy; empty if they can.
  std::string enter_problem() {
    const auto may = catalog_.may_enter();
    return may ? std::string() : enter_error_text(may.error().code);
  }
  /// Prints the hindrance to stderr; returns false if there was none.
  bool print_enter_problem() {
    const std::string reason = enter_problem();
    if (!reason.empty()) print_to_stderr(reason);
    return !reason.empty();
  }

  /// Prints each directory that could not be listed to stderr; returns false if there was none.
  bool print_list_failures(const std::vector<Listing::Failure>& failures) const {
    for (const Listing::Failure& failure : failures) {
      print_to_stderr(fmt::format("cannot list {}: {}", printable(catalog_.sources()[failure.directory].directory),
                                  error_text(failure.error.code)));
    }
    return !failures.empty();
  }
  /// Prints each name missing from the last listing to stderr; returns false if there was none.
  [[nodiscard]] bool print_missing_names() const {
    const std::vector<std::string> missing = selected_.not_found();
    for (const std::string& name : missing) print_to_stderr(fmt::format("no netns is named {}", printable(name)));
    return !missing.empty();
  }

 private:
  LinuxCatalog catalog_;
  SelectedCatalog selected_;
};

}  // namespace nswarden
