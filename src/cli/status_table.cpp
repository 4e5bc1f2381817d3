// SPDX-License-Identifier: Apache-2.0
#include "cli/status_table.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

constexpr std::string_view red = "\x1b[31m";
constexpr std::string_view green = "\x1b[32m";
/// A table pads each row to its longest cell, so cells are limited.
constexpr std::size_t longest_cell = 256;
constexpr std::size_t max_rows = 1000;

std::string cell(std::string_view text) {
  if (text.empty()) return "-";
  if (text.size() <= longest_cell) return printed_text(text);
  std::size_t end = longest_cell;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) --end;
  return printed_text(text.substr(0, end)) + "...";
}

std::string settings(std::size_t count) { return fmt::format("{} {}", count, count == 1 ? "setting" : "settings"); }

std::string painted(std::string_view text, std::string_view shade, Colour colour) {
  return colour == Colour::never ? std::string(text) : fmt::format("{}{}\x1b[0m", shade, text);
}

/// A line with a problem and its reason.
std::string problem_line(std::string_view label, std::string_view reason, Colour colour) {
  return fmt::format("{}: {}\n", painted(label, red, colour), cell(reason));
}

/// `12s`, `3m`, `2h`, `5d`.
std::string duration_text(double span) {
  if (span < 100) return fmt::format("{:.0f}s", std::floor(span));
  if (span < 100 * 60) return fmt::format("{:.0f}m", std::floor(span / 60));
  if (span < 48 * 3600) return fmt::format("{:.0f}h", std::floor(span / 3600));
  return fmt::format("{:.0f}d", std::floor(span / 86400));
}

std::string age(double time, double now) {
  if (time <= 0) return "never";
  // The clock of a remote host may differ by a little.
  if (time > now + 2) return fmt::format("{} in the future by the local clock", duration_text(time - now));
  return duration_text(std::max(now - time, 0.0)) + " ago";
}

/// As in the log, with seconds.
std::string date(double time) {
  constexpr double year_9999 = 253402300799.0;
  if (!(time >= 0 && time <= year_9999)) return "-";
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(time)));
}

/// First twelve digits of a hash or an id.
std::string short_id(std::string_view id) { return cell(id.substr(0, 12)); }

std::string writer_text(const std::optional<Writer>& writer) {
  if (!writer) return "-";
  std::string out = cell(writer->comm.empty() ? writer->exe : writer->comm);
  if (writer->pid != 0) out += fmt::format("[{}]", writer->pid);
  if (!writer->container.empty()) return out + " in " + short_id(writer->container);
  if (!writer->unit.empty()) return out + " in " + cell(writer->unit);
  return out;
}

std::string finding_state(const StatusFinding& finding) {
  const bool has_reason = finding.reason == "clamped" || finding.reason == "suspended";
  const std::string& reason = has_reason ? finding.reason : finding.error;
  return reason.empty() ? cell(finding.state) : fmt::format("{} ({})", cell(finding.state), cell(reason));
}

bool is_unreadable(const StatusFinding& finding) { return finding.state == "unreadable"; }

struct Faults {
  std::size_t drifted = 0;  ///< or missing
  std::size_t unreadable = 0;
};

Faults faults_of(const StatusView& view) {
  const StatusDocument& status = view.status;
  if (view.netns.empty()) return {status.totals.drifted + status.totals.missing, status.totals.unreadable};
  const auto count = std::count_if(status.findings.begin(), status.findings.end(), is_unreadable);
  const auto unreadable = static_cast<std::size_t>(count);
  return {status.findings.size() - unreadable, unreadable};
}

std::string netns_with_findings(const StatusDocument& status) {
  std::set<std::string_view> names;
  for (const StatusFinding& finding : status.findings) names.insert(finding.netns);
  return fmt::format("{}{} netns", status.findings_hidden > 0 ? "at least " : "", names.size());
}

/// The requested names.
std::string chosen(const StatusView& view) {
  std::string names;
  for (const std::string& name : view.netns) names += (names.empty() ? "" : ", ") + printable(name);
  return names;
}

std::string unknown_text(const StatusView& view, const Faults& faults) {
  const StatusDocument& status = view.status;
  if (!status.ready) return "not ready: the first sweep is not done";
  if (faults.unreadable > 0) {
    return fmt::format("unreadable: {} in {}", settings(faults.unreadable), netns_with_findings(status));
  }
  if (!status.unlisted.empty()) return "incomplete: the daemon cannot list a netns directory";
  return fmt::format("incomplete: the daemon lists only its first findings, without {} more", status.findings_hidden);
}

std::string headline(const StatusView& view, Colour colour) {
  const StatusDocument& status = view.status;
  const Faults faults = faults_of(view);
  const StatusVerdict verdict = verdict_of(view);
  if (verdict == StatusVerdict::drifted) {
    const std::string noncompliant = settings(faults.drifted + faults.unreadable);
    return painted(fmt::format("NOT compliant: {} in {}", noncompliant, netns_with_findings(status)), red, colour) + '\n';
  }
  if (verdict == StatusVerdict::unknown) return painted(unknown_text(view, faults), red, colour) + '\n';
  if (!view.netns.empty()) {
    return painted("no findings", green, colour) + fmt::format(" in {}; `nswarden explain` lists its settings\n", chosen(view));
  }
  return painted("compliant", green, colour) +
         fmt::format(": {} in {} netns\n", settings(status.totals.settings), status.totals.netns);
}

std::string config_lines(const StatusView& view, Colour colour) {
  const ConfigSnapshot& config = view.status.config;
  std::string out = fmt::format("configuration: {}, loaded {}", cell(config.source), age(config.loaded_seconds, view.now));
  if (!config.hash.empty()) out += fmt::format(", sha256 {}", short_id(config.hash));
  out += '\n';
  if (!config.error.empty()) {
    out += problem_line("last reload rejected " + age(config.failed_seconds, view.now), config.error, colour);
  }
  if (config.audit) out += "audit: no policy writes (--audit)\n";
  return out;
}

std::string source_lines(const StatusView& view, Colour colour) {
  std::string up;
  std::string down;
  for (const SourceSnapshot& source : view.status.sources) {
    if (source.up) up += (up.empty() ? "" : ", ") + cell(source.name);
    if (!source.up) down += problem_line(cell(source.name) + " is down", source.reason, colour);
  }
  for (const SourceSnapshot& directory : view.status.unlisted) {
    down += problem_line("cannot list " + cell(directory.name), directory.reason, colour);
  }
  return fmt::format("events from: {}\n{}", up.empty() ? "none, only sweeps find drift" : up, down);
}

template <class Row>
std::span<const Row> shown_rows(const std::vector<Row>& rows) {
  return std::span(rows).first(std::min(rows.size(), max_rows));
}

/// Empty without rows.
std::string section(const Table& table, std::size_t rows) {
  if (table.empty()) return {};
  std::string out = '\n' + table.text();
  if (rows > max_rows) out += fmt::format("... and {} more\n", rows - max_rows);
  return out;
}

std::string policy_table(const StatusDocument& status, Colour colour) {
  Table table;
  table.row({"POLICY", "MODE", "NETNS", "SETTINGS", "DRIFTED", "SUSPENDED", "CONFLICTS"});
  for (const PolicySnapshot& policy : shown_rows(status.policies)) {
    const bool noncompliant = policy.drifted > 0 && colour == Colour::always;
    table.row({cell(policy.name),
               policy.enforcing ? "enforce" : "audit",
               std::to_string(policy.netns),
               std::to_string(policy.settings),
               {std::to_string(policy.drifted), noncompliant ? red : std::string_view()},
               std::to_string(policy.suspended),
               std::to_string(policy.conflicts)});
  }
  return section(table, status.policies.size());
}

std::string finding_table(const StatusView& view, Colour colour) {
  const StatusDocument& status = view.status;
  Table table;
  table.row({"NETNS", "KEY", "WANT", "HAVE", "STATE", "SINCE", "WRITER", "POLICY"});
  for (const StatusFinding& finding : shown_rows(status.findings)) {
    table.row({cell(finding.netns),
               cell(finding.key),
               cell(finding.want),
               cell(finding.have),
               {finding_state(finding), colour == Colour::always ? red : std::string_view()},
               age(finding.since, view.now),
               writer_text(finding.writer),
               cell(finding.policy)});
  }
  // Hidden findings may belong to any netns, so a selection of names cannot count them.
  return section(table, status.findings.size() + (view.netns.empty() && !status.findings.empty() ? status.findings_hidden : 0));
}

std::string event_note(const StatusEvent& event) {
  std::string note = event.finding.error.empty() ? "" : cell(event.finding.error);
  if (event.retry_in_seconds > 0) {
    note += fmt::format("{}retry in {}", note.empty() ? "" : "; ", duration_text(static_cast<double>(event.retry_in_seconds)));
  }
  return note.empty() ? "-" : note;
}

std::string event_table(const StatusView& view) {
  Table table;
  table.row({"TIME", "EVENT", "NETNS", "KEY", "WANT", "HAVE", "SOURCE", "WRITER", "NOTE"});
  for (const StatusEvent& event : shown_rows(view.events)) {
    table.row({date(event.time), cell(event.kind), cell(event.finding.netns), cell(event.finding.key), cell(event.finding.want),
               cell(event.finding.have), cell(event.source), writer_text(event.finding.writer), event_note(event)});
  }
  return section(table, view.events.size());
}

}  // namespace

StatusVerdict verdict_of(const StatusView& view) {
  const StatusDocument& status = view.status;
  if (!status.ready) return StatusVerdict::unknown;
  const Faults faults = faults_of(view);
  if (faults.drifted > 0) return StatusVerdict::drifted;
  const bool hidden = !view.netns.empty() && status.findings_hidden > 0;
  return faults.unreadable > 0 || hidden || !status.unlisted.empty() ? StatusVerdict::unknown : StatusVerdict::compliant;
}

std::string status_table(const StatusView& view, Colour colour) {
  const StatusDocument& status = view.status;
  const Totals& totals = status.totals;
  std::string out = headline(view, colour);
  out += fmt::format("{} netns, {}: {} compliant, {} drifted, {} missing, {} unreadable; {} fixed, {} failed since the start\n",
                     totals.netns, settings(totals.settings), totals.compliant, totals.drifted, totals.missing,
                     totals.unreadable, totals.fixed, totals.failed);
  out += fmt::format("daemon: {}, last sweep {}\n", status.ready ? "ready" : "not ready", age(status.last_reconcile, view.now));
  out += config_lines(view, colour);
  out += source_lines(view, colour);
  if (view.netns.empty()) out += policy_table(status, colour);
  out += finding_table(view, colour);
  out += event_table(view);
  return out;
}

}  // namespace nswarden
