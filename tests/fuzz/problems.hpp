// SPDX-License-Identifier: Apache-2.0
// Checks common to the problems of all configuration parsers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nswarden/config/config.hpp>

#include "oracle.hpp"

namespace nswarden::fuzz {

/// Length of each line without newline, including the text after the last newline.
inline std::vector<std::size_t> lengths_of_lines(std::string_view text) {
  std::vector<std::size_t> lengths;
  for (std::size_t newline = text.find('\n'); newline != std::string_view::npos; newline = text.find('\n')) {
    lengths.push_back(newline);
    text.remove_prefix(newline + 1);
  }
  lengths.push_back(text.size());
  return lengths;
}

inline void check_problems(std::string_view text, const std::vector<Problem>& problems) {
  require(!problems.empty(), "a refusal has a reason");
  const std::vector<std::size_t> lengths = lengths_of_lines(text);
  const Problem* last = nullptr;
  for (const Problem& problem : problems) {
    const auto [line, column, file] = problem.position;
    require(file == 0, "a text is one file");
    const std::string shown = format_problem("", problem);
    require(line >= 1 && static_cast<std::size_t>(line) <= lengths.size(), "a line is one of the file", shown);
    const std::size_t length = lengths[static_cast<std::size_t>(line) - 1];
    require(column >= 1 && static_cast<std::size_t>(column) <= length + 1, "a column is one of its line", shown);
    require(is_one_line(problem.message), "a problem is one line", problem.message);
    const bool ordered =
        last == nullptr || last->position.line < line || (last->position.line == line && last->position.column <= column);
    require(ordered, "problems come in the order of their places", shown);
    last = &problem;
  }
}

}  // namespace nswarden::fuzz
