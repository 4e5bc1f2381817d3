// SPDX-License-Identifier: Apache-2.0
// Parses configurations from text and formats the problems of rejected ones.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nswarden/config/config.hpp>

#include "catch.hpp"

namespace nswarden::test {

using Strings = std::vector<std::string>;

/// Empty if the text is accepted.
inline std::vector<Problem> problems_of(std::string_view text) {
  auto parsed = parse_config(text);
  auto* problems = std::get_if<std::vector<Problem>>(&parsed);
  return problems == nullptr ? std::vector<Problem>{} : std::move(*problems);
}

/// Formats each problem as `LINE:COL: message`.
inline Strings problem_lines(const std::vector<Problem>& problems) {
  Strings reported;
  for (const Problem& problem : problems) reported.push_back(format_problem("", problem).substr(1));
  return reported;
}

/// Requires that the text is accepted.
inline Config config_of(std::string_view text) {
  auto parsed = parse_config(text);
  const auto* problems = std::get_if<std::vector<Problem>>(&parsed);
  CAPTURE(text, problems == nullptr ? Strings{} : problem_lines(*problems));
  REQUIRE(std::holds_alternative<Config>(parsed));
  return std::get<Config>(std::move(parsed));
}

/// Checks the start of each line.
inline void check_starts(const Strings& lines, const Strings& starts) {
  CAPTURE(lines, starts);
  CHECK(lines.size() == starts.size());
  for (std::size_t i = 0; i < std::min(lines.size(), starts.size()); ++i) {
    CAPTURE(starts[i]);
    CHECK(lines[i].substr(0, starts[i].size()) == starts[i]);
  }
}

}  // namespace nswarden::test
