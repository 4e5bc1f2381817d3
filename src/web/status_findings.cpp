// SPDX-License-Identifier: Apache-2.0
#include <nswarden/base/text.hpp>

#include <algorithm>
#include <string>

#include "web/status_page.hpp"
#include "web/status_rows.hpp"
#include "web/status_sections.hpp"

namespace nswarden {
namespace {

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

}  // namespace

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

}  // namespace nswarden
