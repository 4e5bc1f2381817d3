// SPDX-License-Identifier: Apache-2.0
#include "web/status_sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include <nswarden/base/text.hpp>
#include <nswarden/engine/report.hpp>
#include <nswarden/engine/writer.hpp>

namespace nswarden {
namespace {

/// As container tools abbreviate it.
constexpr std::size_t short_container = 12;

Html& add_link(Html& html, std::string_view link, std::string_view name) {
  return html.raw("<a href=\"").shown(link).raw("\"><bdi class=\"mono\">").text(name).raw("</bdi></a>");
}

Html& add_tag(Html& html, Mood mood, std::string_view word) {
  return html.raw("<span class=\"tag ").shown(mood_class(mood)).raw("\">").text(word).raw("</span>");
}

/// A dash that a screen reader leaves out.
Html& add_nothing(Html& html) { return html.raw("<span class=\"none\" aria-hidden=\"true\">&ndash;</span>"); }

/// A link that filters; a dash when there is no name.
Html& add_netns(Html& html, std::string_view name) {
  return name.empty() ? add_nothing(html) : add_link(html, netns_link(name), name);
}

Html& add_policy(Html& html, std::string_view name) {
  return name.empty() ? add_nothing(html) : add_link(html, policy_link(name), name);
}

/// The netns of a setting, and below it its policy where there is one.
Html& add_place(Html& html, const Finding& finding) {
  add_netns(html, finding.netns);
  if (finding.policy.empty()) return html;
  html.raw("<span class=\"more\">");
  return add_policy(html, finding.policy).raw("</span>");
}

/// A dash when it is empty.
Html& add_value(Html& html, std::string_view value) {
  return value.empty() ? add_nothing(html) : html.raw("<code>").text(value).raw("</code>");
}

/// A second line in a cell; nothing when it is empty.
Html& add_more(Html& html, std::string_view bytes) {
  return bytes.empty() ? html : html.raw("<span class=\"more\">").text(bytes).raw("</span>");
}

/// Why a setting is not compliant, where its state alone does not say it; a second line.
Html& add_reason(Html& html, const Finding& finding) {
  switch (finding.reason) {
    case Reason::clamped: add_more(html, "clamped: the kernel stores another value"); break;
    case Reason::suspended: add_more(html, "suspended: changed back again and again"); break;
    default: break;
  }
  return finding.error == 0 ? html : add_more(html, error_text(finding.error));
}

Html& add_writer(Html& html, const Writer* writer) {
  if (writer == nullptr) return add_nothing(html);
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
  add_tag(html, suspended ? Mood::warn : Mood::bad, to_string(finding.state));
  add_reason(html, finding).raw("</td><td class=\"c-when\">");
  html.second_and_age(drift.since, now).raw("</td><td class=\"c-who\">");
  add_writer(html, drift.writer.get()).raw("</td></tr>\n");
}

/// What the table does not show, and where it is.
void add_rest_of_drift(Html& html, const Snapshot& snapshot, const Filter& filter, std::size_t matching) {
  if (matching > most_drift_rows) {
    html.raw("<p>These are the first ").number(most_drift_rows).raw(", by netns and key; ").number(matching - most_drift_rows);
    html.raw(" more are in <a href=\"/api/v1/status\">the JSON</a>.</p>\n");
  }
  if (snapshot.drift_hidden == 0) return;
  html.raw("<p>").number(snapshot.drift_hidden).raw(" more are only counted").shown(filter.active() ? ", and may match" : "");
  html.raw("; <code>nswarden check</code> lists them all.</p>\n");
}

Mood mood_of(Event::What what) {
  switch (what) {
    case Event::What::drift:
    case Event::What::suspend:
    case Event::What::contradiction: return Mood::warn;
    case Event::What::failure:
    case Event::What::netns_failure:
    case Event::What::reload_failure: return Mood::bad;
    case Event::What::repair:
    case Event::What::recovery:
    case Event::What::calm: return Mood::good;
    default: return Mood::calm;
  }
}

std::string_view seen(Source source) {
  switch (source) {
    case Source::startup: return "seen at the start";
    case Source::create: return "seen when the netns came";
    case Source::event: return "seen by an event";
    case Source::reconcile: return "seen by a sweep";
  }
  return "";
}

/// The words of the JSON, with blanks.
std::string event_words(Event::What what) {
  std::string words(to_string(what));
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

void add_event_setting(Html& html, const Event& event) {
  const Finding& finding = event.finding;
  if (finding.key.empty()) {
    add_nothing(html);
    return;
  }
  html.raw("<span class=\"mono\">").key(finding.key).raw("</span><span class=\"more\">want ");
  add_value(html, finding.want).shown(event.what == Event::What::repair ? ", had " : ", have ");
  add_value(html, finding.have).raw("</span>");
}

void add_event_details(Html& html, const Event& event) {
  const Finding& finding = event.finding;
  if (!event.error.empty()) html.raw("<span>").text(event.error).raw("</span>");
  const bool is_there = finding.state == State::compliant || finding.state == State::drifted;
  if (!finding.key.empty() && !is_there) add_more(html, to_string(finding.state));
  if (event.retry_in.count() != 0) add_more(html, "next try in " + format_duration(event.retry_in));
  if (event.source) add_more(html, seen(*event.source));
  add_more(html, finding.note);
}

void add_event_row(Html& html, const Event& event) {
  html.raw("<tr><th scope=\"row\" class=\"c-time\">").moment(event.time).raw("</th><td>");
  add_tag(html, mood_of(event.what), event_words(event.what)).raw("</td><td class=\"c-netns\">");
  add_place(html, event.finding).raw("</td><td class=\"c-key\">");
  add_event_setting(html, event);
  html.raw("</td><td class=\"c-why\">");
  add_event_details(html, event);
  html.raw("</td><td class=\"c-who\">");
  add_writer(html, event.writer.get()).raw("</td></tr>\n");
}

/// A heading with how many rows there are.
void add_heading(Html& html, std::size_t rows) {
  if (rows != 0) html.raw(" <span class=\"dim\">").number(rows).raw("</span>");
  html.raw("</h2>\n");
}

/// Enough to tell two configurations apart by eye.
constexpr std::size_t short_hash = 12;

void add_policy_row(Html& html, const PolicySnapshot& policy, const Filter& filter) {
  const bool selected = !filter.policy.empty() && printable(policy.name) == filter.policy;
  html.raw("<tr");
  if (selected) html.raw(" aria-current=\"true\"");
  html.raw("><th scope=\"row\">");
  add_policy(html, policy.name).raw("</th><td>").shown(policy.enforcing ? "enforce" : "audit");
  html.raw("</td><td class=\"number\">").number(policy.netns).raw("</td><td class=\"number\">").number(policy.settings);
  const auto alarming = [&](std::size_t count, Mood mood) {
    html.raw("</td><td class=\"number\">");
    if (count == 0) {
      html.raw("0");
    } else {
      add_tag(html, mood, std::to_string(count));
    }
  };
  alarming(policy.drifted, Mood::bad);
  alarming(policy.suspended, Mood::warn);
  alarming(policy.conflicts, Mood::warn);
  html.raw("</td></tr>\n");
}

/// What a source tells of, for those who do not know its name.
std::string_view tells_of(std::string_view source) {
  if (source == "inotify") return "names of netns that come and go";
  if (source == "mount") return "netns that are mounted and unmounted";
  if (source == "netlink") return "interfaces that come and go";
  if (source == "sysctl") return "writes of other programs to sysctls";
  return "";
}

void add_source_row(Html& html, const SourceSnapshot& source, std::string_view tells, std::string_view down) {
  html.raw("<tr><th scope=\"row\"><bdi class=\"mono\">").text(source.name).raw("</bdi>");
  add_more(html, tells).raw("</th><td>");
  add_tag(html, source.up ? Mood::good : Mood::bad, source.up ? "up" : down).raw("</td><td class=\"c-why\">");
  if (source.up) {
    add_nothing(html);
  } else {
    html.text(source.reason);
  }
  html.raw("</td></tr>\n");
}

}  // namespace

std::string_view mood_class(Mood mood) {
  switch (mood) {
    case Mood::calm: return "calm";
    case Mood::good: return "good";
    case Mood::warn: return "warn";
    case Mood::bad: return "bad";
  }
  return "";
}

std::size_t matching_drift(const Snapshot& snapshot, const Filter& filter) {
  return static_cast<std::size_t>(std::count_if(snapshot.drift.begin(), snapshot.drift.end(),
                                                [&](const DriftSnapshot& drift) { return filter.takes(drift.finding); }));
}

std::size_t matching_events(const Snapshot& snapshot, const Filter& filter) {
  if (!snapshot.events) return 0;
  return static_cast<std::size_t>(
      std::count_if(snapshot.events->begin(), snapshot.events->end(), [&](const auto& event) { return filter.takes(*event); }));
}

Html drift_section(const Snapshot& snapshot, const Filter& filter) {
  Html html;
  html.raw("<section aria-labelledby=\"drift\">\n<h2 id=\"drift\">Drift");
  const std::size_t matching = matching_drift(snapshot, filter);
  add_heading(html, matching + (filter.active() ? 0 : snapshot.drift_hidden));
  if (matching == 0) {
    html.raw("<p class=\"dim\">").shown(filter.active() ? "The filter shows none." : snapshot.ready ? "None." : "None so far.");
    html.raw("</p>\n");
  } else {
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"drift\">\n<table>\n");
    html.raw("<caption class=\"hidden\">Settings that are not as the policy says, by netns and key</caption>\n");
    html.raw("<thead><tr><th scope=\"col\">Netns, policy</th><th scope=\"col\">Key</th><th scope=\"col\">Want</th>");
    html.raw("<th scope=\"col\">Have</th><th scope=\"col\">State</th><th scope=\"col\">Since (UTC)</th>");
    html.raw("<th scope=\"col\">Last writer</th></tr></thead>\n<tbody>\n");
    std::size_t rows = 0;
    for (const DriftSnapshot& drift : snapshot.drift) {
      if (!filter.takes(drift.finding)) continue;
      if (rows++ == most_drift_rows) break;
      add_drift_row(html, drift, snapshot.time);
    }
    html.raw("</tbody>\n</table>\n</div>\n");
  }
  add_rest_of_drift(html, snapshot, filter, matching);
  html.raw("</section>\n");
  return html;
}

Html events_section(const Snapshot& snapshot, const Filter& filter) {
  Html html;
  html.raw("<section aria-labelledby=\"events\">\n<h2 id=\"events\">Events");
  const std::size_t matching = matching_events(snapshot, filter);
  add_heading(html, matching);
  if (matching == 0) {
    html.raw("<p class=\"dim\">").shown(filter.active() ? "The filter shows none." : "None yet.").raw("</p>\n</section>\n");
    return html;
  }
  html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"events\">\n<table>\n");
  html.raw("<caption class=\"hidden\">The last 200 events, newest first</caption>\n");
  html.raw("<thead><tr><th scope=\"col\">Time (UTC)</th><th scope=\"col\">Event</th><th scope=\"col\">Netns, policy</th>");
  html.raw("<th scope=\"col\">Setting</th><th scope=\"col\">Details</th><th scope=\"col\">Writer</th></tr></thead>\n<tbody>\n");
  const Events newest_first(snapshot.events->rbegin(), snapshot.events->rend());
  for (const auto& event : newest_first) {
    if (filter.takes(*event)) add_event_row(html, *event);
  }
  html.raw("</tbody>\n</table>\n</div>\n</section>\n");
  return html;
}

Html policies_section(const Snapshot& snapshot, const Filter& filter) {
  Html html;
  html.raw("<section aria-labelledby=\"policies\">\n<h2 id=\"policies\">Policies</h2>\n");
  if (snapshot.policies.empty()) {
    html.raw("<p class=\"dim\">None.</p>\n</section>\n");
    return html;
  }
  html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"policies\">\n<table class=\"figures\">\n");
  html.raw("<caption class=\"hidden\">Policies in the order of the configuration, with what they govern</caption>\n");
  html.raw("<thead><tr><th scope=\"col\">Policy</th><th scope=\"col\">Mode</th><th scope=\"col\" class=\"number\">Netns</th>");
  html.raw("<th scope=\"col\" class=\"number\">Settings</th><th scope=\"col\" class=\"number\">Not compliant</th>");
  html.raw("<th scope=\"col\" class=\"number\">Suspended</th><th scope=\"col\" class=\"number\">Conflicts</th></tr></thead>\n");
  html.raw("<tbody>\n");
  for (const PolicySnapshot& policy : snapshot.policies) add_policy_row(html, policy, filter);
  html.raw("</tbody>\n</table>\n</div>\n</section>\n");
  return html;
}

Html sources_section(const Snapshot& snapshot) {
  Html html;
  html.raw("<section aria-labelledby=\"sources\">\n<h2 id=\"sources\">Event sources</h2>\n");
  if (snapshot.sources.empty() && snapshot.unlisted.empty()) {
    html.raw("<p class=\"dim\">None.</p>\n</section>\n");
    return html;
  }
  html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"sources\">\n<table>\n");
  html.raw("<caption class=\"hidden\">Sources of events, and directories that cannot be listed</caption>\n");
  html.raw("<thead><tr><th scope=\"col\">Source</th><th scope=\"col\">Health</th><th scope=\"col\">Why</th></tr></thead>\n");
  html.raw("<tbody>\n");
  for (const SourceSnapshot& source : snapshot.sources) add_source_row(html, source, tells_of(source.name), "down");
  for (const SourceSnapshot& directory : snapshot.unlisted) {
    add_source_row(html, directory, "a directory of netns", "not listed");
  }
  html.raw("</tbody>\n</table>\n</div>\n</section>\n");
  return html;
}

Html configuration_section(const Snapshot& snapshot) {
  const ConfigSnapshot& config = snapshot.config;
  Html html;
  html.raw("<section aria-labelledby=\"configuration\">\n<h2 id=\"configuration\">Configuration</h2>\n<dl class=\"facts\">\n");
  html.raw("<dt>Source</dt><dd><bdi class=\"mono\">").text(config.source).raw("</bdi></dd>\n");
  html.raw("<dt>SHA-256</dt><dd><code title=\"").text(config.hash).raw("\">");
  html.text(config.hash.substr(0, short_hash)).raw("</code></dd>\n");
  html.raw("<dt>Loaded</dt><dd>").second_and_age(config.loaded_seconds, snapshot.time).raw("</dd>\n");
  html.raw("<dt>Writes</dt><dd>").shown(config.audit ? "none: started with --audit" : "as the policies say").raw("</dd>\n");
  html.raw("<dt>Last error</dt><dd>");
  if (config.error.empty()) {
    html.raw("none: this is the last one that was read");
  } else {
    html.second_and_age(config.failed_seconds, snapshot.time).raw("<br>").text(config.error);
  }
  html.raw("</dd>\n</dl>\n</section>\n");
  return html;
}

}  // namespace nswarden
