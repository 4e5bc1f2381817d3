// SPDX-License-Identifier: Apache-2.0
// Emulates an exporter without state: reads all values for each scrape, without formatting a page.
#pragma once

#include <string>
#include <vector>

#include <nswarden/os/fd.hpp>

#include "drifts.hpp"

namespace nswarden::bench {

class AllValues {
 public:
  /// All values must be 1; another value is an error.
  AllValues(const Herd& herd, std::vector<std::string> keys);
  /// Reads files held open; returns microseconds.
  [[nodiscard]] double read_held() const;
  /// Enters each netns and opens each file by name, as netns-exporter does; returns microseconds.
  [[nodiscard]] double read_by_name() const;

 private:
  const Herd& herd_;
  std::vector<std::string> keys_;
  std::vector<Fd> held_;
};

}  // namespace nswarden::bench
