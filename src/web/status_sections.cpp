// SPDX-License-Identifier: Apache-2.0
#include "web/status_sections.hpp"

#include <nswarden/base/text.hpp>

#include "web/status_rows.hpp"

namespace nswarden {
namespace {

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
