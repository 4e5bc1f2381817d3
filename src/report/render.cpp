// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/render.hpp>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>

#include <nswarden/report/json.hpp>
#include <nswarden/report/table.hpp>

namespace nswarden {
namespace {

std::string_view state_colour(State state, Colour colour) {
  if (colour == Colour::never) return {};
  return state == State::compliant ? "\x1b[32m" : "\x1b[31m";
}

}  // namespace

std::string check_table(const CheckReport& report, Colour colour) {
  Table table;
  table.row({"NETNS", "KEY", "WANT", "HAVE", "STATE", "POLICY"});
  const auto add = [&](const Finding& finding, std::string state, std::string_view shade) {
    table.row({printable(finding.netns),
               printable(finding.key),
               or_dash(finding.want),
               or_dash(finding.have),
               {std::move(state), shade},
               finding.policy});
  };
  for (const Finding& finding : report.repaired) {
    add(finding, "fixed", state_colour(State::compliant, colour));
  }
  for (const Finding& finding : report.findings) {
    add(finding, state_text(finding), state_colour(finding.state, colour));
  }
  const Totals& totals = report.totals;
  std::string out = table.empty() ? std::string() : table.text();
  out += fmt::format("{} netns, {} settings: {} compliant, {} drifted, {} missing, {} unreadable", totals.netns,
                     totals.settings, totals.compliant, totals.drifted, totals.missing, totals.unreadable);
  if (totals.fixed + totals.failed > 0) out += fmt::format("; {} fixed, {} failed", totals.fixed, totals.failed);
  return out + '\n';
}

std::string check_json(const CheckReport& report) {
  Json json{{"schema", 1}, {"compliant", report.compliant()}, {"totals", json_of(report.totals)}, {"findings", Json::array()}};
  for (const Finding& finding : report.findings) json["findings"].push_back(json_of(finding));
  return line_of(json);
}

}  // namespace nswarden
