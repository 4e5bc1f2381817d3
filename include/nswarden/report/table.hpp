// SPDX-License-Identifier: Apache-2.0
// Tables for people: columns as wide as their longest cell. Pure text.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nswarden/engine/report.hpp>

namespace nswarden {

/// Two spaces between columns, nothing trailing. A cell may carry a colour.
class Table {
 public:
  struct Cell {
    // Implicit, so that a row is a list of texts.
    // NOLINTNEXTLINE(google-explicit-constructor)
    Cell(const char* plain) : text(plain) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    Cell(std::string of, std::string_view shade = {}) : text(std::move(of)), colour(shade) {}

    std::string text;
    std::string_view colour;
  };
  void row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  /// It has nothing but its heading.
  [[nodiscard]] bool empty() const { return rows_.size() < 2; }
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<Cell>> rows_;
};

/// Such as "drifted (clamped)".
std::string state_text(const Finding& finding);

/// `-` where there is nothing to show, so that columns stay columns for awk.
std::string or_dash(const std::string& text);

}  // namespace nswarden
