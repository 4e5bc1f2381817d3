// SPDX-License-Identifier: Apache-2.0
// What an exporter does that knows nothing until it is asked: reads all values for each scrape. Only that, without a page of them.
#pragma once

#include <string>
#include <vector>

#include <nswarden/os/fd.hpp>

#include "drifts.hpp"

namespace nswarden::bench {

class AllValues {
 public:
  /// All of them are to be 1: another value is an error.
  AllValues(const Herd& herd, std::vector<std::string> keys);
  /// Of files held open; microseconds.
  [[nodiscard]] double read_held() const;
  /// As netns-exporter does: into each netns, and each file by its name; microseconds.
  [[nodiscard]] double read_by_name() const;

 private:
  const Herd& herd_;
  std::vector<std::string> keys_;
  std::vector<Fd> held_;
};

}  // namespace nswarden::bench
