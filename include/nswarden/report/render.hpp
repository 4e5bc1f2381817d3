// SPDX-License-Identifier: Apache-2.0
// Renders reports as tables and JSON (schema 1) for stdout. Pure text, without output of its own.
#pragma once

#include <string>
#include <vector>

#include <nswarden/engine/report.hpp>
#include <nswarden/policy/policy.hpp>
#include <nswarden/report/console.hpp>

namespace nswarden {

/// Result of `check` and `apply`.
struct CheckReport {
  Totals totals;
  std::vector<Finding> findings;  ///< drifted settings, or all
  std::vector<Finding> repaired;  ///< by `apply`; `have` is the value before the repair
  [[nodiscard]] bool compliant() const { return totals.compliant == totals.settings; }
};

std::string check_table(const CheckReport& report, Colour colour);
std::string check_json(const CheckReport& report);

/// Result of `explain` for one netns name.
struct Explanation {
  std::string netns;
  std::string source;  ///< the configuration file
  const PolicySet* policies = nullptr;
  std::vector<PolicyIndex> matched{};
  Resolution resolution{};
  std::string unchecked_reason{};         ///< why the netns was not checked; empty when it was
  std::vector<Finding> findings{};        ///< current state of these settings
  std::vector<std::string> open_globs{};  ///< globs without a known key in it
};

std::string explain_table(const Explanation& explanation);
std::string explain_json(const Explanation& explanation);

}  // namespace nswarden
