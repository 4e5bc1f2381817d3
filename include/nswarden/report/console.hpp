// SPDX-License-Identifier: Apache-2.0
// Exit codes and output of one-shot commands: tables, colours, and one line on stderr. Main thread; tables and cell texts are
// pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nswarden/engine/report.hpp>

namespace nswarden {

enum ExitCode : int { exit_compliant = 0, exit_drifted = 1, exit_usage = 2, exit_unreadable = 3 };

/// Prints one line on stderr, for all output except the report of a command.
void print_to_stderr(std::string_view line);

enum class Colour : std::uint8_t { never, always };

/// Colour::always on a terminal with colours (not with TERM=dumb), unless NO_COLOR is set.
Colour colour_of_stdout();

/// A table for stdout. Columns are as wide as their longest cell, with two spaces between them and without trailing spaces.
class Table {
 public:
  struct Cell {
    // Both are implicit, since most cells are text without a colour.
    // NOLINTNEXTLINE(google-explicit-constructor)
    Cell(std::string plain, std::string_view shade = {}) : text(std::move(plain)), colour(shade) {}
    Cell(const char* plain) : text(plain) {}  // NOLINT(google-explicit-constructor)

    std::string text;
    std::string_view colour;
  };
  void row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  /// Whether the table has only its heading.
  [[nodiscard]] bool empty() const { return rows_.size() < 2; }
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<Cell>> rows_;
};

/// Such as "drifted (clamped)".
std::string state_text(const Finding& finding);

/// `-` for an empty text, so that awk finds the columns.
std::string or_dash(const std::string& text);

}  // namespace nswarden
