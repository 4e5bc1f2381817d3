// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/console.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets the environment
  return value == nullptr ? std::string_view() : value;
}

/// Counts code points, a good approximation for names.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

void print_to_stderr(std::string_view line) { fmt::print(stderr, "nswarden: {}\n", line); }

Colour colour_of_stdout() {
  const std::string_view terminal = environment("TERM");
  const bool has_colours = ::isatty(STDOUT_FILENO) == 1 && !terminal.empty() && terminal != "dumb";
  return has_colours && environment("NO_COLOR").empty() ? Colour::always : Colour::never;
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (const auto& cells : rows_) {
    widths.resize(std::max(widths.size(), cells.size()));
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], columns(cells[i].text));
  }
  std::string out;
  for (const auto& cells : rows_) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const Cell& cell = cells[i];
      out += cell.colour.empty() ? cell.text : fmt::format("{}{}\x1b[0m", cell.colour, cell.text);
      if (i + 1 < cells.size()) out.append(widths[i] - columns(cell.text) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string state_text(const Finding& finding) {
  if (finding.state == State::unreadable) return fmt::format("unreadable ({})", error_text(finding.error));
  if (finding.reason == Reason::clamped || finding.reason == Reason::suspended) {
    return fmt::format("drifted ({})", to_string(finding.reason));
  }
  if (finding.state == State::drifted && finding.error != 0) return fmt::format("drifted ({})", error_text(finding.error));
  if (finding.state == State::compliant && finding.have.empty()) return "compliant (absent)";
  return std::string(to_string(finding.state));
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable(text); }

}  // namespace nswarden
