// SPDX-License-Identifier: Apache-2.0
// Prints measurements as Markdown tables for docs/performance.md.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "figures.hpp"

namespace nswarden::bench {

inline void print_row(const std::string& name, const Figures& figures) {
  fmt::print("| {} | {} | {:.0f} | {:.0f} | {:.0f} | {:.0f} |\n", name, figures.count(), figures.at(0.5), figures.at(0.99),
             figures.at(0.999), figures.at(1));
  std::fflush(stdout);
}

inline void print_head(const std::string& title) {
  fmt::print("\n{}, microseconds:\n\n| | drifts | p50 | p99 | p99.9 | max |\n|---|---:|---:|---:|---:|---:|\n", title);
}

inline void print_aim(const char* name, double value, double aim) {
  fmt::print("{}: {:.0f} of at most {:.0f} us, {}\n", name, value, aim, value <= aim ? "held" : "MISSED");
}

}  // namespace nswarden::bench
