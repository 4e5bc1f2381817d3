// SPDX-License-Identifier: Apache-2.0
#include "web/status_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <nswarden/base/sha256.hpp>
#include <nswarden/base/text.hpp>

#include "web/html.hpp"
#include "web/status_sections.hpp"

namespace nswarden {
namespace {

struct Headline {
  Severity severity = Severity::calm;
  std::string text;    ///< one line, ASCII, trusted
  std::string reason;  ///< second line, may be empty
};

std::string count_of(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

Headline headline_of(const Snapshot& snapshot) {
  const Totals& totals = snapshot.totals;
  if (!snapshot.ready) {
    return {Severity::warn, "Not ready: the first sweep is not done", "The page shows the results so far."};
  }
  if (snapshot.policies.empty()) return {Severity::warn, "No policies", "The configuration has none; nothing is enforced."};
  if (totals.netns == 0) {
    return {Severity::calm, "No netns matches a policy",
            snapshot.netns_unmatched == 0 ? "No netns was found."
                                          : fmt::format("Netns that no policy matches: {}.", snapshot.netns_unmatched)};
  }
  if (totals.settings == 0) return {Severity::calm, "The matching policies have no settings", ""};
  const std::size_t noncompliant = totals.settings - std::min(totals.compliant, totals.settings);
  if (noncompliant == 0) return {Severity::good, "Compliant: all " + count_of(totals.settings, "setting"), ""};
  return {Severity::bad, fmt::format("Not compliant: {} of {}", noncompliant, count_of(totals.settings, "setting")), ""};
}

/// A mark in addition to the verdict's colour.
Html& add_mark(Html& html, Severity severity) {
  html.raw("<span aria-hidden=\"true\">");
  switch (severity) {
    case Severity::good: html.raw("&#10003;"); break;
    case Severity::bad: html.raw("&#10007;"); break;
    case Severity::warn: html.raw("!"); break;
    case Severity::calm: html.raw("&ndash;"); break;
  }
  return html.raw("</span> ");
}

void add_links(Html& html, std::string_view telemetry_path) {
  html.raw("<nav aria-label=\"Other forms\"><ul>\n<li><a href=\"").printable_text(path_encoded(telemetry_path));
  html.raw("\">Metrics</a></li>\n<li><a href=\"/api/v1/status\">Status as JSON</a></li>\n");
  html.raw("<li><a href=\"/api/v1/events\">Events as JSON</a></li>\n<li><a href=\"/-/healthy\">Health</a></li>\n");
  html.raw("<li><a href=\"/-/ready\">Readiness</a></li>\n</ul></nav>\n");
}

void add_counts(Html& html, const Snapshot& snapshot) {
  const Totals& totals = snapshot.totals;
  const std::pair<std::string_view, std::size_t> counts[] = {
      {"netns", totals.netns},     {"settings", totals.settings}, {"compliant", totals.compliant},
      {"drifted", totals.drifted}, {"missing", totals.missing},   {"unreadable", totals.unreadable},
  };
  html.raw("<dl class=\"counts\">\n");
  for (const auto& count : counts) {
    html.raw("<div><dt>").printable_text(count.first).raw("</dt><dd>").number(count.second).raw("</dd></div>\n");
  }
  html.raw("</dl>\n<p>As of ").second(snapshot.time).raw(" UTC");
  if (snapshot.last_reconcile_seconds != 0) {
    html.raw(", last sweep ").printable_text(age_text(snapshot.time - snapshot.last_reconcile_seconds)).raw(" earlier");
  }
  html.raw(". Since the start ").counted(totals.fixed, "repair").raw(", ").counted(totals.failed, "failed attempt");
  html.raw(".");
  if (snapshot.netns_unmatched != 0) html.raw(" ").number(snapshot.netns_unmatched).raw(" more netns match no policy.");
  if (snapshot.netns_pending != 0) html.raw(" ").counted(snapshot.netns_pending, "pending name").raw(".");
  if (snapshot.commands_queued + snapshot.commands_running != 0) {
    html.raw(" Commands: ").number(snapshot.commands_running).raw(" running, ").number(snapshot.commands_queued);
    html.raw(" waiting.");
  }
  html.raw("</p>\n");
}

/// Adds notices that need attention but are not drift.
void add_notices(Html& html, const Snapshot& snapshot) {
  Html list;
  const ConfigSnapshot& config = snapshot.config;
  if (!config.error.empty()) {
    list.raw("<li><a href=\"#configuration\">The last configuration</a> was rejected, and the previous one stays in force: ");
    list.text(config.error).raw("</li>\n");
  }
  if (config.audit) list.raw("<li>Started with --audit: drift is reported, nothing is written.</li>\n");
  std::size_t suspended = 0;
  for (const PolicySnapshot& policy : snapshot.policies) suspended += policy.suspended;
  if (suspended != 0) {
    list.raw("<li>Suspended: ").counted(suspended, "setting");
    list.raw(" that another program keeps changing back, repaired only from time to time.</li>\n");
  }
  const auto down =
      std::count_if(snapshot.sources.begin(), snapshot.sources.end(), [](const auto& source) { return !source.up; });
  if (down != 0) {
    list.raw("<li>Down: ").counted(static_cast<std::size_t>(down), "event source").raw(" (<a href=\"#sources\">reason</a>); ");
    list.raw("only sweeps find the changes.</li>\n");
  }
  if (!snapshot.unlisted.empty()) {
    const std::size_t count = snapshot.unlisted.size();
    list.raw("<li>Not listed: ").number(count).printable_text(count == 1 ? " netns directory" : " netns directories");
    list.raw(" (<a href=\"#sources\">reason</a>); new netns there are not governed.</li>\n");
  }
  if (!list.empty()) html.raw("<ul class=\"notices\">\n").add(std::move(list)).raw("</ul>\n");
}

void add_verdict(Html& html, const Snapshot& snapshot, const Headline& headline) {
  html.raw("<section class=\"verdict ")
      .printable_text(severity_class(headline.severity))
      .raw("\" aria-labelledby=\"verdict\">\n<h2 id=\"verdict\">");
  add_mark(html, headline.severity).text(headline.text).raw("</h2>\n");
  if (!headline.reason.empty()) html.raw("<p>").text(headline.reason).raw("</p>\n");
  add_counts(html, snapshot);
  html.raw("</section>\n");
  add_notices(html, snapshot);
}

/// Keeps a requested but absent policy selected: the form must show the page's filter.
void add_policy_choice(Html& html, const Snapshot& snapshot, const Filter& filter) {
  html.raw("<label>Policy <select name=\"policy\">\n<option value=\"\">all</option>\n");
  bool known = filter.policy.empty();
  for (const PolicySnapshot& policy : snapshot.policies) {
    const std::string name = printable(policy.name);
    const bool chosen = !known && name == filter.policy;
    known = known || chosen;
    html.raw("<option value=\"")
        .printable_text(name)
        .raw("\"")
        .printable_text(chosen ? " selected" : "")
        .raw(">")
        .printable_text(name)
        .raw("</option>\n");
  }
  if (!known) {
    html.raw("<option value=\"")
        .printable_text(filter.policy)
        .raw("\" selected>")
        .printable_text(filter.policy)
        .raw(" (not in force)</option>\n");
  }
  html.raw("</select></label>\n");
}

void add_filter(Html& html, const Snapshot& snapshot, const Filter& filter) {
  html.raw("<form class=\"filter\" method=\"get\" action=\"/\" role=\"search\" aria-label=\"Filter drift and events\">\n");
  html.raw("<label>Netns <input name=\"netns\" value=\"").printable_text(filter.netns);
  html.raw("\" placeholder=\"all\" autocomplete=\"off\" autocapitalize=\"off\" spellcheck=\"false\"></label>\n");
  add_policy_choice(html, snapshot, filter);
  html.raw("<button>Filter</button>\n</form>\n");
  if (!filter.active()) return;
  const std::size_t drift = snapshot.drift.size();
  const std::size_t events = snapshot.events ? snapshot.events->size() : 0;
  html.raw("<p class=\"filtered\" role=\"status\">Filtered by ");
  if (!filter.netns.empty()) html.raw("netns <bdi class=\"mono\">").printable_text(filter.netns).raw("</bdi>");
  if (!filter.netns.empty() && !filter.policy.empty()) html.raw(" and ");
  if (!filter.policy.empty()) html.raw("policy <bdi class=\"mono\">").printable_text(filter.policy).raw("</bdi>");
  html.raw(". Hidden: ")
      .number(drift - matching_drift(snapshot, filter))
      .raw(" of ")
      .counted(drift, "row")
      .raw(" of drift and ");
  html.number(events - matching_events(snapshot, filter)).raw(" of ").counted(events, "event");
  html.raw(". The rest of the page is not filtered. <a href=\"/\">Show all</a></p>\n");
}

}  // namespace

std::string status_page(const Snapshot& snapshot, const Filter& filter, std::string_view telemetry_path,
                        const BuildInfo& build) {
  const Headline headline = headline_of(snapshot);
  Html html;
  html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
  html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>").text(headline.text);
  html.raw(" - nswarden</title>\n<style>").raw(status_style).raw("</style>\n</head>\n<body>\n<header>\n<h1>nswarden</h1>\n");
  add_links(html, telemetry_path);
  html.raw("</header>\n<main>\n");
  add_verdict(html, snapshot, headline);
  add_filter(html, snapshot, filter);
  html.add(drift_section(snapshot, filter)).add(policies_section(snapshot, filter)).add(events_section(snapshot, filter));
  html.add(sources_section(snapshot)).add(configuration_section(snapshot));
  html.raw("</main>\n<footer>nswarden enforces policies on the sysctls of network namespaces. Version ").text(build.version);
  html.raw(", revision ").text(build.revision).raw(".</footer>\n</body>\n</html>\n");
  return html.take();
}

std::string status_content_policy() {
  Sha256 hash;
  hash.add(status_style);
  return "default-src 'none'; style-src 'sha256-" + hash.base64() +
         "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
}

}  // namespace nswarden
