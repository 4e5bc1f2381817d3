// SPDX-License-Identifier: Apache-2.0
// The netns that a one-shot command works on, with the complaints about those that it cannot work on. Main thread.
#pragma once

#include <string>
#include <vector>

#include <nswarden/cli/options.hpp>
#include <nswarden/config/config.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/netns/selected_catalog.hpp>

namespace nswarden {

class ChosenNetns {
 public:
  /// The netns that `options` name, or all of the configured directories.
  ChosenNetns(const Options& options, const Config& config);
  ChosenNetns(const ChosenNetns&) = delete;  // the catalogs know each other
  ChosenNetns& operator=(const ChosenNetns&) = delete;

  LinuxCatalog& catalog() { return catalog_; }  ///< all of them
  SelectedCatalog& selected() { return selected_; }

  /// Why no netns can be entered, and the remedy. Empty: they can.
  std::string hindrance();

  /// A line on stderr for each directory that could not be listed. False: there were none.
  bool complain_of(const std::vector<Listing::Failure>& failures) const;
  /// A line on stderr for each name that the last listing did not find. False: there were none.
  [[nodiscard]] bool complain_of_missing() const;

 private:
  LinuxCatalog catalog_;
  SelectedCatalog selected_;
};

}  // namespace nswarden
