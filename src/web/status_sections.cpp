// SPDX-License-Identifier: Apache-2.0
#include "web/status_sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/base/text.hpp>
#include <nswarden/engine/report.hpp>
#include <nswarden/engine/writer.hpp>

namespace nswarden {
namespace {

/// Length to which container tools abbreviate an id.
constexpr std::size_t short_container = 12;

Html& add_tag(Html& html, Severity severity, std::string_view word) {
  return html.raw("<span class=\"tag ").printable_text(severity_class(severity)).raw("\">").text(word).raw("</span>");
}

/// A dash hidden from screen readers.
Html& add_empty(Html& html) { return html.raw("<span class=\"none\" aria-hidden=\"true\">&ndash;</span>"); }

/// A link to the page filtered by `name`; a dash if `name` is empty.
Html& add_link(Html& html, std::string (*link)(std::string_view), std::string_view name) {
  if (name.empty()) return add_empty(html);
  return html.raw("<a href=\"").printable_text(link(name)).raw("\"><bdi class=\"mono\">").text(name).raw("</bdi></a>");
}

/// The netns of a setting, with its policy below if it has one.
Html& add_place(Html& html, const Finding& finding) {
  add_link(html, netns_link, finding.netns);
  if (finding.policy.empty()) return html;
  html.raw("<span class=\"more\">");
  return add_link(html, policy_link, finding.policy).raw("</span>");
}

/// The value, or a dash if empty.
Html& add_value(Html& html, std::string_view value) {
  return value.empty() ? add_empty(html) : html.raw("<code>").text(value).raw("</code>");
}

/// A second line in a cell; no output if `bytes` is empty.
Html& add_more(Html& html, std::string_view bytes) {
  return bytes.empty() ? html : html.raw("<span class=\"more\">").text(bytes).raw("</span>");
}

/// A second line with the reason for noncompliance, if the state alone does not imply it.
Html& add_reason(Html& html, const Finding& finding) {
  switch (finding.reason) {
    case Reason::clamped: add_more(html, "clamped: the kernel stores another value"); break;
    case Reason::suspended: add_more(html, "suspended: another program keeps changing it back"); break;
    default: break;
  }
  return finding.error == 0 ? html : add_more(html, error_text(finding.error));
}

Html& add_writer(Html& html, const Writer* writer) {
  if (writer == nullptr) return add_empty(html);
  if (!writer->comm.empty()) html.raw("<bdi class=\"mono\">").text(writer->comm).raw("</bdi> ");
  std::string ids;
  if (writer->pid != 0) ids = fmt::format("pid {}", writer->pid);
  if (writer->uid) ids += fmt::format("{}uid {}", ids.empty() ? "" : ", ", *writer->uid);
  html.raw("<span class=\"age\">").text(ids).raw("</span>");
  add_more(html, writer->unit);
  if (!writer->container.empty()) {
    html.raw("<span class=\"more\" title=\"").text(writer->container).raw("\">container ");
    html.text(writer->container.substr(0, short_container)).raw("</span>");
  }
  const bool is_named = !writer->unit.empty() || !writer->container.empty();
  if (!is_named && !writer->cgroup.empty() && writer->cgroup != "/") add_more(html, "cgroup " + writer->cgroup);
  return add_more(html, writer->exe);
}

void add_drift_row(Html& html, const DriftSnapshot& drift, double now) {
  const Finding& finding = drift.finding;
  html.raw("<tr><th scope=\"row\" class=\"c-netns\">");
  add_place(html, finding).raw("</th><td class=\"c-key\"><span class=\"mono\">").key(finding.key).raw("</span>");
  add_more(html, finding.note).raw("</td><td class=\"c-value\">");
  add_value(html, finding.want).raw("</td><td class=\"c-value\">");
  add_value(html, finding.have).raw("</td><td class=\"c-state\">");
  const bool suspended = finding.reason == Reason::suspended;
  add_tag(html, suspended ? Severity::warn : Severity::bad, to_string(finding.state));
  add_reason(html, finding).raw("</td><td class=\"c-when\">");
  html.second_and_age(drift.since, now).raw("</td><td class=\"c-writer\">");
  add_writer(html, drift.writer.get()).raw("</td></tr>\n");
}

/// How many drifted settings the table omits, and where to find them.
Html hidden_drift(const Snapshot& snapshot, const Filter& filter, std::size_t matching) {
  Html html;
  if (matching > max_drift_rows) {
    html.raw("<p>These are the first ").number(max_drift_rows).raw(", by netns and key; ").number(matching - max_drift_rows);
    html.raw(" more are in <a href=\"/api/v1/status\">the JSON</a>.</p>\n");
  }
  if (snapshot.drift_hidden != 0) {
    html.raw("<p>")
        .number(snapshot.drift_hidden)
        .raw(" more are only counted")
        .printable_text(filter.active() ? ", and may match" : "");
    html.raw("; <code>nswarden check</code> lists them all.</p>\n");
  }
  return html;
}

Severity severity_of(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::drift:
    case Event::Kind::suspend:
    case Event::Kind::contradiction: return Severity::warn;
    case Event::Kind::failure:
    case Event::Kind::netns_failure:
    case Event::Kind::reload_failure: return Severity::bad;
    case Event::Kind::repair:
    case Event::Kind::recovery:
    case Event::Kind::calm: return Severity::good;
    default: return Severity::calm;
  }
}

std::string_view seen(Source source) {
  switch (source) {
    case Source::startup: return "detected at startup";
    case Source::create: return "detected in a new netns";
    case Source::event: return "detected by an event";
    case Source::reconcile: return "detected by a sweep";
  }
  return "";
}

/// The event name of the JSON, with blanks.
std::string event_words(Event::Kind kind) {
  std::string words(to_string(kind));
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

Html& add_event_setting(Html& html, const Event& event) {
  const Finding& finding = event.finding;
  if (finding.key.empty()) return add_empty(html);
  html.raw("<span class=\"mono\">").key(finding.key).raw("</span><span class=\"more\">want ");
  add_value(html, finding.want).printable_text(event.kind == Event::Kind::repair ? ", had " : ", have ");
  return add_value(html, finding.have).raw("</span>");
}

void add_event_details(Html& html, const Event& event) {
  const Finding& finding = event.finding;
  if (!event.error.empty()) html.raw("<span>").text(event.error).raw("</span>");
  const bool is_there = finding.state == State::compliant || finding.state == State::drifted;
  if (!finding.key.empty() && !is_there) add_more(html, to_string(finding.state));
  if (event.retry_in.count() != 0) add_more(html, "next attempt in " + format_duration(event.retry_in));
  if (event.source) add_more(html, seen(*event.source));
  add_more(html, finding.note);
}

void add_event_row(Html& html, const Event& event) {
  html.raw("<tr><th scope=\"row\" class=\"c-time\">").moment(event.time).raw("</th><td>");
  add_tag(html, severity_of(event.kind), event_words(event.kind)).raw("</td><td class=\"c-netns\">");
  add_place(html, event.finding).raw("</td><td class=\"c-key\">");
  add_event_setting(html, event).raw("</td><td class=\"c-why\">");
  add_event_details(html, event);
  html.raw("</td><td class=\"c-writer\">");
  add_writer(html, event.writer.get()).raw("</td></tr>\n");
}

/// Enough to distinguish two configurations by eye.
constexpr std::size_t short_hash = 12;

void add_policy_row(Html& html, const PolicySnapshot& policy, const Filter& filter) {
  html.raw("<tr");
  if (!filter.policy.empty() && printable(policy.name) == filter.policy) html.raw(" aria-current=\"true\"");
  html.raw("><th scope=\"row\">");
  add_link(html, policy_link, policy.name).raw("</th><td>").printable_text(policy.enforcing ? "enforce" : "audit");
  html.raw("</td><td class=\"number\">").number(policy.netns).raw("</td><td class=\"number\">").number(policy.settings);
  const auto alarming = [&html](std::size_t count, Severity severity) -> Html& {
    html.raw("</td><td class=\"number\">");
    return count == 0 ? html.raw("0") : add_tag(html, severity, std::to_string(count));
  };
  alarming(policy.drifted, Severity::bad);
  alarming(policy.suspended, Severity::warn);
  alarming(policy.conflicts, Severity::warn).raw("</td></tr>\n");
}

/// Describes the events that a source delivers.
std::string_view watched_by(std::string_view source) {
  if (source == "inotify") return "added and removed names of netns";
  if (source == "mount") return "mounts and unmounts of netns";
  if (source == "netlink") return "added and removed interfaces";
  if (source == "sysctl") return "writes to sysctls by other programs";
  return "";
}

void add_source_row(Html& html, const SourceSnapshot& source, std::string_view watched, std::string_view down) {
  html.raw("<tr><th scope=\"row\"><bdi class=\"mono\">").text(source.name).raw("</bdi>");
  add_more(html, watched).raw("</th><td>");
  add_tag(html, source.up ? Severity::good : Severity::bad, source.up ? "up" : down).raw("</td><td class=\"c-why\">");
  (source.up ? add_empty(html) : html.text(source.reason)).raw("</td></tr>\n");
}

/// A section with one table.
struct Table {
  std::string_view id;
  std::string_view title;
  std::string_view caption;  ///< for screen readers
  std::vector<std::string_view> columns;
  std::size_t figures = 0;  ///< number of trailing numeric columns
};

/// Appends `count` to the title unless it is 0. `none` replaces an empty table; `rest` follows the table.
Html section_of(const Table& table, std::size_t count, Html&& rows, std::string_view none, Html&& rest = {}) {
  Html html;
  html.raw("<section aria-labelledby=\"")
      .printable_text(table.id)
      .raw("\">\n<h2 id=\"")
      .printable_text(table.id)
      .raw("\">")
      .printable_text(table.title);
  if (count != 0) html.raw(" <span class=\"dim\">").number(count).raw("</span>");
  html.raw("</h2>\n");
  if (rows.empty()) {
    html.raw("<p class=\"dim\">").printable_text(none).raw("</p>\n");
  } else {
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"")
        .printable_text(table.id)
        .raw("\">\n<table");
    if (table.figures != 0) html.raw(" class=\"figures\"");
    html.raw(">\n<caption class=\"hidden\">").printable_text(table.caption).raw("</caption>\n<thead><tr>");
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      html.raw("<th scope=\"col\"");
      if (i + table.figures >= table.columns.size()) html.raw(" class=\"number\"");
      html.raw(">").printable_text(table.columns[i]).raw("</th>");
    }
    html.raw("</tr></thead>\n<tbody>\n").add(std::move(rows)).raw("</tbody>\n</table>\n</div>\n");
  }
  html.add(std::move(rest)).raw("</section>\n");
  return html;
}

}  // namespace

std::string_view severity_class(Severity severity) {
  constexpr std::array<std::string_view, 4> classes{"calm", "good", "warn", "bad"};
  return classes[static_cast<std::size_t>(severity)];
}

std::size_t matching_drift(const Snapshot& snapshot, const Filter& filter) {
  const auto matches = [&filter](const DriftSnapshot& drift) { return filter.matches(drift.finding); };
  return static_cast<std::size_t>(std::ranges::count_if(snapshot.drift, matches));
}

std::size_t matching_events(const Snapshot& snapshot, const Filter& filter) {
  const auto matches = [&filter](const auto& event) { return filter.matches(*event); };
  return snapshot.events ? static_cast<std::size_t>(std::ranges::count_if(*snapshot.events, matches)) : 0;
}

Html drift_section(const Snapshot& snapshot, const Filter& filter) {
  Html rows;
  std::size_t matching = 0;
  for (const DriftSnapshot& drift : snapshot.drift) {
    if (filter.matches(drift.finding) && matching++ < max_drift_rows) add_drift_row(rows, drift, snapshot.time);
  }
  const Table table{"drift",
                    "Drift",
                    "Settings that do not comply, by netns and key",
                    {"Netns, policy", "Key", "Want", "Have", "State", "Since (UTC)", "Last writer"}};
  return section_of(table, matching + (filter.active() ? 0 : snapshot.drift_hidden), std::move(rows),
                    filter.active()  ? "No settings match the filter."
                    : snapshot.ready ? "None."
                                     : "None so far.",
                    hidden_drift(snapshot, filter, matching));
}

Html events_section(const Snapshot& snapshot, const Filter& filter) {
  Html rows;
  const Events newest_first = snapshot.events ? Events(snapshot.events->rbegin(), snapshot.events->rend()) : Events{};
  for (const auto& event : newest_first) {
    if (filter.matches(*event)) add_event_row(rows, *event);
  }
  const Table table{"events",
                    "Events",
                    "The last 200 events, newest first",
                    {"Time (UTC)", "Event", "Netns, policy", "Setting", "Details", "Writer"}};
  return section_of(table, matching_events(snapshot, filter), std::move(rows),
                    filter.active() ? "No events match the filter." : "None yet.");
}

Html policies_section(const Snapshot& snapshot, const Filter& filter) {
  Html rows;
  for (const PolicySnapshot& policy : snapshot.policies) add_policy_row(rows, policy, filter);
  const Table table{"policies",
                    "Policies",
                    "Policies in the order of the configuration, with their counts",
                    {"Policy", "Mode", "Netns", "Settings", "Not compliant", "Suspended", "Conflicts"},
                    5};
  return section_of(table, 0, std::move(rows), "None.");
}

Html sources_section(const Snapshot& snapshot) {
  Html rows;
  for (const SourceSnapshot& source : snapshot.sources) add_source_row(rows, source, watched_by(source.name), "down");
  for (const SourceSnapshot& directory : snapshot.unlisted) {
    add_source_row(rows, directory, "a netns directory", "not listed");
  }
  const Table table{
      "sources", "Event sources", "Sources of events, and directories that cannot be listed", {"Source", "Health", "Reason"}};
  return section_of(table, 0, std::move(rows), "None.");
}

Html configuration_section(const Snapshot& snapshot) {
  const ConfigSnapshot& config = snapshot.config;
  Html html;
  html.raw("<section aria-labelledby=\"configuration\">\n<h2 id=\"configuration\">Configuration</h2>\n<dl class=\"facts\">\n");
  html.raw("<dt>Source</dt><dd><bdi class=\"mono\">").text(config.source).raw("</bdi></dd>\n");
  html.raw("<dt>SHA-256</dt><dd><code title=\"").text(config.hash).raw("\">");
  html.text(config.hash.substr(0, short_hash)).raw("</code></dd>\n");
  html.raw("<dt>Loaded</dt><dd>").second_and_age(config.loaded_seconds, snapshot.time).raw("</dd>\n");
  html.raw("<dt>Writes</dt><dd>")
      .printable_text(config.audit ? "none: started with --audit" : "by enforcing policies")
      .raw("</dd>\n");
  html.raw("<dt>Last error</dt><dd>");
  if (config.error.empty()) {
    html.raw("none: the last configuration read is in force");
  } else {
    html.second_and_age(config.failed_seconds, snapshot.time).raw("<br>").text(config.error);
  }
  html.raw("</dd>\n</dl>\n</section>\n");
  return html;
}

}  // namespace nswarden
