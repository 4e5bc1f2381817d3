// SPDX-License-Identifier: Apache-2.0
#include "cli/restore_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <nswarden/base/text.hpp>
#include <nswarden/report/json.hpp>
#include <nswarden/report/table.hpp>

namespace nswarden {
namespace {

struct Sums {
  std::size_t restored = 0;
  std::size_t changed_by_others = 0;
  std::size_t gone = 0;
  std::size_t failed = 0;
};

Sums sums_of(const RestoreReport& report) {
  using What = Restored::What;
  return {report.count(What::restored), report.count(What::changed_by_others),
          report.count(What::gone) + report.count(What::netns_gone), report.count(What::failed)};
}

/// Bytes.
std::string shown(const Restored& result, const std::string& value) {
  return result.entry.key.is_secret() && !value.empty() ? "redacted" : value;
}

std::string failure(const Restored& result) {
  if (result.error == 0) return "the kernel made another value of it";
  return error_text(result.error);
}

std::string state_of(const Restored& result) {
  const std::string state(to_string(result.what));
  return result.what == Restored::What::failed ? fmt::format("{} ({})", state, failure(result)) : state;
}

std::string_view shade(const Restored& result, Colour colour) {
  if (colour == Colour::never) return {};
  return result.what == Restored::What::restored ? "\x1b[32m" : "\x1b[31m";
}

}  // namespace

std::size_t RestoreReport::count(Restored::What what) const {
  const auto is_that = [what](const Finding& finding) { return finding.result.what == what; };
  return static_cast<std::size_t>(std::count_if(findings.begin(), findings.end(), is_that));
}

std::string restore_table(const RestoreReport& report, Colour colour) {
  Table table;
  table.row({{"NETNS", {}}, {"KEY", {}}, {"FOUND", {}}, {"HAVE", {}}, {"STATE", {}}, {"POLICY", {}}});
  for (const RestoreReport::Finding& finding : report.findings) {
    const Restored& result = finding.result;
    const RestoreBook::Entry& entry = result.entry;
    table.row({{printable(finding.netns), {}},
               {printable(entry.key.name()), {}},
               {or_dash(shown(result, entry.found)), {}},
               {or_dash(shown(result, result.have)), {}},
               {state_of(result), shade(result, colour)},
               {or_dash(entry.policy), {}}});
  }
  const Sums sums = sums_of(report);
  std::string out = table.empty() ? std::string() : table.text();
  out += fmt::format("{} netns, {} settings: {} restored, {} changed by others, {} gone, {} failed", report.netns,
                     report.findings.size(), sums.restored, sums.changed_by_others, sums.gone, sums.failed);
  if (report.elsewhere > 0) out += fmt::format("; {} of netns that are not here", report.elsewhere);
  return out + '\n';
}

std::string restore_json(const RestoreReport& report) {
  const Sums sums = sums_of(report);
  Json json{{"schema", 1},
            {"restored", sums.restored + sums.gone == report.findings.size()},
            {"totals",
             {{"netns", report.netns},
              {"settings", report.findings.size()},
              {"restored", sums.restored},
              {"changed_by_others", sums.changed_by_others},
              {"gone", sums.gone},
              {"failed", sums.failed},
              {"elsewhere", report.elsewhere}}},
            {"findings", Json::array()}};
  for (const RestoreReport::Finding& finding : report.findings) {
    const Restored& result = finding.result;
    const bool gone = result.what == Restored::What::gone || result.what == Restored::What::netns_gone;
    const bool unknown = gone || (result.what == Restored::What::failed && result.have.empty());
    Json one{{"netns", printable(finding.netns)},
             {"policy", printable(result.entry.policy)},
             {"key", printable(result.entry.key.name())},
             {"found", printable(shown(result, result.entry.found))},
             {"have", unknown ? Json(nullptr) : Json(printable(shown(result, result.have)))},
             {"state", to_string(result.what)}};
    if (result.what == Restored::What::failed) one["error"] = failure(result);
    json["findings"].push_back(std::move(one));
  }
  return line_of(json);
}

}  // namespace nswarden
