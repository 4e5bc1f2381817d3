// SPDX-License-Identifier: Apache-2.0
#include "web/status_rows.hpp"

#include <fmt/format.h>

#include <string>

#include <nswarden/base/text.hpp>
#include "web/status_filter.hpp"

namespace nswarden {
namespace {

/// As container tools abbreviate it.
constexpr std::size_t short_container = 12;

Html& add_link(Html& html, std::string_view link, std::string_view name) {
  return html.raw("<a href=\"").shown(link).raw("\"><bdi class=\"mono\">").text(name).raw("</bdi></a>");
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

Html& add_tag(Html& html, Mood mood, std::string_view word) {
  return html.raw("<span class=\"tag ").shown(mood_class(mood)).raw("\">").text(word).raw("</span>");
}

Html& add_nothing(Html& html) { return html.raw("<span class=\"none\" aria-hidden=\"true\">&ndash;</span>"); }

Html& add_netns(Html& html, std::string_view name) {
  return name.empty() ? add_nothing(html) : add_link(html, netns_link(name), name);
}

Html& add_policy(Html& html, std::string_view name) {
  return name.empty() ? add_nothing(html) : add_link(html, policy_link(name), name);
}

Html& add_place(Html& html, const Finding& finding) {
  add_netns(html, finding.netns);
  if (finding.policy.empty()) return html;
  html.raw("<span class=\"more\">");
  return add_policy(html, finding.policy).raw("</span>");
}

Html& add_value(Html& html, std::string_view value) {
  return value.empty() ? add_nothing(html) : html.raw("<code>").text(value).raw("</code>");
}

Html& add_more(Html& html, std::string_view bytes) {
  return bytes.empty() ? html : html.raw("<span class=\"more\">").text(bytes).raw("</span>");
}

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

}  // namespace nswarden
