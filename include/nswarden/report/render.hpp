// SPDX-License-Identifier: Apache-2.0
// Reports as people and programs read them: tables and JSON (schema 1) on stdout. Pure text, no output of its own.
#pragma once

#include <string>
#include <vector>

#include <nswarden/engine/report.hpp>
#include <nswarden/policy/policy.hpp>
#include <nswarden/report/console.hpp>

namespace nswarden {

/// What `check` and `apply` found.
struct CheckReport {
  Totals totals;
  std::vector<Finding> findings;  ///< not compliant, or all
  std::vector<Finding> repaired;  ///< by `apply`; `have` is what was found
  [[nodiscard]] bool compliant() const { return totals.compliant == totals.settings; }
};

std::string check_table(const CheckReport& report, Colour colour);
std::string check_json(const CheckReport& report);

/// What `explain` tells of one netns name.
struct Explanation {
  std::string netns;
  std::string source;  ///< the configuration file
  const PolicySet* policies = nullptr;
  std::vector<PolicyIndex> matched{};
  Resolution resolution{};
  std::string not_looked_at{};            ///< why the netns was not looked at; empty when it was
  std::vector<Finding> findings{};        ///< of these settings, as it is
  std::vector<std::string> open_globs{};  ///< that stand for no key of it, as far as that is known
};

std::string explain_table(const Explanation& explanation);
std::string explain_json(const Explanation& explanation);

}  // namespace nswarden
