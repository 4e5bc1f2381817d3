// SPDX-License-Identifier: Apache-2.0
#include <nswarden/app/render.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include <nswarden/core/text.hpp>

#include "app/json.hpp"

namespace nswarden::app {
namespace {

using core::printable;

/// Columns as wide as their longest cell, two spaces between them, nothing trailing. A cell may carry a colour.
class Table {
 public:
  struct Cell {
    std::string text;
    std::string_view colour;
  };
  void row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] bool empty() const { return rows_.size() < 2; }

  [[nodiscard]] std::string text() const {
    std::vector<std::size_t> widths;
    for (const auto& cells : rows_) {
      widths.resize(std::max(widths.size(), cells.size()));
      for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], columns(cells[i].text));
    }
    std::string out;
    for (const auto& cells : rows_) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const Cell& cell = cells[i];
        if (cell.colour.empty()) {
          out += cell.text;
        } else {
          out += fmt::format("{}{}\x1b[0m", cell.colour, cell.text);
        }
        if (i + 1 < cells.size()) out.append(widths[i] - columns(cell.text) + 2, ' ');
      }
      out += '\n';
    }
    return out;
  }

 private:
  /// Code points, near enough for names.
  static std::size_t columns(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
  }
  std::vector<std::vector<Cell>> rows_;
};

std::string state_text(const core::Finding& finding) {
  if (finding.state == core::State::unreadable) {
    return fmt::format("unreadable ({})", std::generic_category().message(finding.error));
  }
  if (finding.reason == core::Reason::clamped || finding.reason == core::Reason::suspended) {
    return fmt::format("drifted ({})", core::to_string(finding.reason));
  }
  return std::string(core::to_string(finding.state));
}

std::string_view state_colour(core::State state, Colour colour) {
  if (colour == Colour::never) return {};
  return state == core::State::compliant ? "\x1b[32m" : "\x1b[31m";
}

/// `-` where there is nothing to show, so that columns stay columns for awk.
std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable(text); }

std::string_view to_string(core::Mode mode) { return mode == core::Mode::enforce ? "enforce" : "audit"; }

template <class Tell>
void for_each_command(const Explanation& explanation, Tell tell) {
  for (const core::PolicyIndex index : explanation.plan.policies) {
    const core::PolicySet::Policy& policy = explanation.policies->policies()[index];
    for (const std::string& command : policy.commands->startup) tell(policy.name, "startup", command);
    for (const core::PolicyCommands::OnEvent& on : policy.commands->events) {
      for (const std::string& command : on.commands) tell(policy.name, on.event, command);
    }
  }
}

}  // namespace

std::string check_table(const CheckReport& report, Colour colour) {
  Table table;
  table.row({{"NETNS", {}}, {"KEY", {}}, {"WANT", {}}, {"HAVE", {}}, {"STATE", {}}, {"POLICY", {}}});
  const auto add = [&](const core::Finding& finding, std::string state, std::string_view shade) {
    table.row({{printable(finding.netns), {}},
               {printable(finding.key), {}},
               {or_dash(finding.want), {}},
               {or_dash(finding.have), {}},
               {std::move(state), shade},
               {finding.policy, {}}});
  };
  for (const core::Finding& finding : report.repaired) {
    add(finding, "fixed", state_colour(core::State::compliant, colour));
  }
  for (const core::Finding& finding : report.findings) {
    add(finding, state_text(finding), state_colour(finding.state, colour));
  }
  const core::Totals& totals = report.totals;
  std::string out = table.empty() ? std::string() : table.text();
  out += fmt::format("{} netns, {} settings: {} compliant, {} drifted, {} missing, {} unreadable", totals.netns,
                     totals.settings, totals.compliant, totals.drifted, totals.missing, totals.unreadable);
  if (totals.fixed + totals.failed > 0) out += fmt::format("; {} fixed, {} failed", totals.fixed, totals.failed);
  return out + '\n';
}

std::string check_json(const CheckReport& report) {
  Json json{{"schema", 1}, {"compliant", report.compliant()}, {"totals", json_of(report.totals)}, {"findings", Json::array()}};
  for (const core::Finding& finding : report.findings) json["findings"].push_back(json_of(finding));
  return line_of(json);
}

std::string explain_table(const Explanation& explanation) {
  const auto& [netns, source, policies, plan] = explanation;
  if (plan.policies.empty()) return fmt::format("no policy matches {}\n", printable(netns));
  std::string matched;
  for (const core::PolicyIndex index : plan.policies) {
    matched += fmt::format("{}{}", matched.empty() ? "" : ", ", policies->policies()[index].name);
  }
  Table table;
  table.row({{"KEY", {}}, {"WANT", {}}, {"MODE", {}}, {"POLICY", {}}, {"WHERE", {}}, {"OVERRIDES", {}}});
  for (const core::PlannedSetting& setting : plan.settings) {
    const core::Key& key = policies->keys()[setting.key];
    std::string overrides;
    for (const core::Overridden& lost : plan.overridden) {
      if (lost.key != setting.key) continue;
      overrides +=
          fmt::format("{}{} ({}{}, {}:{})", overrides.empty() ? "" : ", ", policies->policies()[lost.loser].name,
                      key.is_secret() ? "redacted" : printable(lost.want),
                      lost.mode == setting.mode ? "" : fmt::format(", {}", to_string(lost.mode)), source, lost.where.line);
    }
    table.row({{printable(key.name()), {}},
               {key.is_secret() ? "redacted" : printable(setting.want), {}},
               {std::string(to_string(setting.mode)), {}},
               {policies->policies()[setting.policy].name, {}},
               {fmt::format("{}:{}", source, setting.where.line), {}},
               {or_dash(overrides), {}}});
  }
  std::string out = fmt::format("{} is matched by: {}\n", printable(netns), matched);
  if (!table.empty()) out += table.text();
  Table commands;
  commands.row({{"EVENT", {}}, {"COMMAND", {}}, {"POLICY", {}}});
  for_each_command(explanation, [&](const std::string& policy, std::string_view event, const std::string& command) {
    commands.row({{std::string(event), {}}, {printable(command), {}}, {policy, {}}});
  });
  if (!commands.empty()) out += commands.text();
  return out;
}

std::string explain_json(const Explanation& explanation) {
  const auto& [netns, source, policies, plan] = explanation;
  Json json{
      {"schema", 1}, {"netns", printable(netns)}, {"source", source}, {"policies", Json::array()}, {"settings", Json::array()}};
  for (const core::PolicyIndex index : plan.policies) json["policies"].push_back(policies->policies()[index].name);
  for (const core::PlannedSetting& setting : plan.settings) {
    const core::Key& key = policies->keys()[setting.key];
    Json overrides = Json::array();
    for (const core::Overridden& lost : plan.overridden) {
      if (lost.key != setting.key) continue;
      overrides.push_back({{"policy", policies->policies()[lost.loser].name},
                           {"want", key.is_secret() ? "redacted" : printable(lost.want)},
                           {"mode", to_string(lost.mode)},
                           {"line", lost.where.line},
                           {"conflict", lost.conflict}});
    }
    json["settings"].push_back({{"key", printable(key.name())},
                                {"want", key.is_secret() ? "redacted" : printable(setting.want)},
                                {"mode", to_string(setting.mode)},
                                {"policy", policies->policies()[setting.policy].name},
                                {"line", setting.where.line},
                                {"overrides", std::move(overrides)}});
  }
  json["commands"] = Json::array();
  for_each_command(explanation, [&](const std::string& policy, std::string_view event, const std::string& command) {
    json["commands"].push_back({{"event", event}, {"command", printable(command)}, {"policy", policy}});
  });
  return line_of(json);
}

}  // namespace nswarden::app
