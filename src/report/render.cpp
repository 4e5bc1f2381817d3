// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/render.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <nswarden/base/text.hpp>
#include <nswarden/report/json.hpp>

namespace nswarden {
namespace {

std::string_view state_colour(State state, Colour colour) {
  if (colour == Colour::never) return {};
  return state == State::compliant ? "\x1b[32m" : "\x1b[31m";
}

std::string_view to_string(Mode mode) { return mode == Mode::enforce ? "enforce" : "audit"; }

std::string file_of(const Explanation& explanation, const Position& position) {
  const auto& files = explanation.policies->files();
  return printable(position.file < files.size() ? files[position.file] : explanation.source);
}

std::string place(const Explanation& explanation, const Position& position) {
  return fmt::format("{}:{}", file_of(explanation, position), position.line);
}

std::string want_text(const Key& key, const Setting& setting) {
  return key.is_secret() ? "redacted" : printable(setting.want.text());
}

/// Null when the netns was not checked.
const Finding* finding_of(const Explanation& explanation, const std::string& key) {
  const auto found = std::find_if(explanation.findings.begin(), explanation.findings.end(),
                                  [&key](const Finding& finding) { return finding.key == key; });
  return found == explanation.findings.end() ? nullptr : &*found;
}

std::string overrides_text(const Explanation& explanation, const PlannedSetting& winner) {
  std::string text;
  for (const Overridden& lost : explanation.resolution.overridden) {
    if (lost.key != winner.key) continue;
    text += fmt::format("{}{} ({}{}, {})", text.empty() ? "" : ", ", explanation.policies->policies()[lost.loser].name,
                        want_text(lost.key, *lost.setting),
                        lost.mode == winner.mode ? "" : fmt::format(", {}", to_string(lost.mode)),
                        place(explanation, lost.setting->position));
  }
  return text;
}

template <class Function>
void for_each_command(const Explanation& explanation, Function function) {
  for (const PolicyIndex index : explanation.matched) {
    const PolicySet::Policy& policy = explanation.policies->policies()[index];
    for (const std::string& command : policy.commands->startup) function(policy, "startup", command);
    for (const PolicyCommands::OnEvent& on : policy.commands->events) {
      for (const std::string& command : on.commands) function(policy, on.event, command);
    }
  }
}

}  // namespace

std::string check_table(const CheckReport& report, Colour colour) {
  Table table;
  table.row({"NETNS", "KEY", "WANT", "HAVE", "STATE", "POLICY"});
  const auto add = [&](const Finding& finding, std::string state, std::string_view shade) {
    table.row({printable(finding.netns), printable(finding.key), or_dash(finding.want), or_dash(finding.have),
               Table::Cell(std::move(state), shade), finding.policy});
  };
  for (const Finding& finding : report.repaired) add(finding, "fixed", state_colour(State::compliant, colour));
  for (const Finding& finding : report.findings) add(finding, state_text(finding), state_colour(finding.state, colour));
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

std::string explain_table(const Explanation& explanation) {
  const std::string note = explanation.unchecked_reason.empty() ? "" : fmt::format("note: {}\n", explanation.unchecked_reason);
  if (explanation.matched.empty()) return fmt::format("no policy matches {}\n{}", printable(explanation.netns), note);
  const auto policies = explanation.policies->policies();
  std::string matched;
  for (const PolicyIndex index : explanation.matched) {
    matched += fmt::format("{}{}", matched.empty() ? "" : ", ", policies[index].name);
  }
  Table table;
  table.row({"KEY", "WANT", "HAVE", "STATE", "MODE", "POLICY", "WHERE", "OVERRIDES"});
  for (const PlannedSetting& planned : explanation.resolution.settings) {
    const Finding* finding = finding_of(explanation, planned.key.name());
    table.row({printable(planned.key.name()), want_text(planned.key, *planned.setting),
               finding == nullptr ? "-" : or_dash(finding->have), finding == nullptr ? "-" : state_text(*finding),
               std::string(to_string(planned.mode)), policies[planned.policy].name,
               place(explanation, planned.setting->position), or_dash(overrides_text(explanation, planned))});
  }
  std::string out = fmt::format("{} is matched by: {}\n{}", printable(explanation.netns), matched, note);
  if (!table.empty()) out += table.text();
  for (const PlannedSetting& planned : explanation.resolution.settings) {
    if (planned.setting->note.empty()) continue;
    out += fmt::format("{}: {}\n", printable(planned.key.name()), printable(planned.setting->note));
  }
  const char* const of_open =
      explanation.unchecked_reason.empty() ? "matches no key here" : "not expanded, because the netns was not checked";
  for (const std::string& glob : explanation.open_globs) out += fmt::format("{}: {}\n", printable(glob), of_open);
  Table commands;
  commands.row({"EVENT", "COMMAND", "CAPABILITIES", "POLICY"});
  for_each_command(explanation, [&](const PolicySet::Policy& policy, std::string_view event, const std::string& command) {
    commands.row({std::string(event), printable(command), std::string(to_string(policy.commands->capabilities)), policy.name});
  });
  if (!commands.empty()) out += commands.text();
  return out;
}

std::string explain_json(const Explanation& explanation) {
  const auto policies = explanation.policies->policies();
  const auto place_json = [&](Json& json, const Position& position) {
    json["line"] = position.line;
    json["file"] = file_of(explanation, position);
  };
  Json json{{"schema", 1},
            {"netns", printable(explanation.netns)},
            {"source", printable(explanation.source)},
            {"policies", Json::array()},
            {"settings", Json::array()},
            {"globs_without_keys", Json::array()},
            {"commands", Json::array()}};
  for (const PolicyIndex index : explanation.matched) json["policies"].push_back(policies[index].name);
  for (const PlannedSetting& planned : explanation.resolution.settings) {
    Json setting{{"key", printable(planned.key.name())},
                 {"want", want_text(planned.key, *planned.setting)},
                 {"mode", to_string(planned.mode)},
                 {"policy", policies[planned.policy].name},
                 {"overrides", Json::array()}};
    place_json(setting, planned.setting->position);
    if (const Finding* finding = finding_of(explanation, planned.key.name())) {
      const Json found = json_of(*finding);
      for (const char* field : {"have", "state", "reason", "error"}) {
        if (found.contains(field)) setting[field] = found[field];
      }
    }
    if (!planned.setting->note.empty()) setting["note"] = printable(planned.setting->note);
    for (const Overridden& lost : explanation.resolution.overridden) {
      if (lost.key != planned.key) continue;
      Json loser{{"policy", policies[lost.loser].name},
                 {"want", want_text(lost.key, *lost.setting)},
                 {"mode", to_string(lost.mode)},
                 {"conflict", lost.conflict}};
      place_json(loser, lost.setting->position);
      setting["overrides"].push_back(std::move(loser));
    }
    json["settings"].push_back(std::move(setting));
  }
  if (!explanation.unchecked_reason.empty()) json["not_looked_at"] = explanation.unchecked_reason;
  for (const std::string& glob : explanation.open_globs) json["globs_without_keys"].push_back(printable(glob));
  for_each_command(explanation, [&](const PolicySet::Policy& policy, std::string_view event, const std::string& command) {
    json["commands"].push_back({{"event", event},
                                {"command", printable(command)},
                                {"capabilities", to_string(policy.commands->capabilities)},
                                {"policy", policy.name}});
  });
  return line_of(json);
}

}  // namespace nswarden
