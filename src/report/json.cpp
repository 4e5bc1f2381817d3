// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/json.hpp>

#include <string_view>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

void add_text(Json& json, const char* name, std::string_view bytes) {
  if (!bytes.empty()) json[name] = printable(bytes);
}

}  // namespace

Json json_of(const Totals& totals) {
  return {{"netns", totals.netns},     {"settings", totals.settings}, {"compliant", totals.compliant},
          {"drifted", totals.drifted}, {"missing", totals.missing},   {"unreadable", totals.unreadable},
          {"fixed", totals.fixed},     {"failed", totals.failed}};
}

Json json_of(const Finding& finding) {
  // An optional key that is absent complies without a value; existing values are never empty.
  const bool has_value = finding.state == State::drifted || (finding.state == State::compliant && !finding.have.empty());
  Json json{{"netns", printable(finding.netns)},
            {"policy", printable(finding.policy)},
            {"key", printable(finding.key)},
            {"want", printable(finding.want)},
            {"have", has_value ? Json(printable(finding.have)) : Json(nullptr)},
            {"state", to_string(finding.state)}};
  if (finding.reason != Reason::none) json["reason"] = to_string(finding.reason);
  if (!finding.note.empty()) json["note"] = printable(finding.note);
  if (finding.error != 0) json["error"] = error_text(finding.error);
  return json;
}

Json json_of(const Writer& writer) {
  Json json = Json::object();
  if (writer.pid != 0) json["pid"] = writer.pid;
  add_text(json, "comm", writer.comm);
  add_text(json, "exe", writer.exe);
  if (writer.uid) json["uid"] = *writer.uid;
  add_text(json, "cgroup", writer.cgroup);
  add_text(json, "container", writer.container);
  add_text(json, "unit", writer.unit);
  if (writer.time != 0) json["time"] = writer.time;
  return json;
}

Json json_of(const Event& event) {
  Json json{{"time", event.time}, {"event", to_string(event.kind)}};
  // Events without a setting have no values.
  if (!event.finding.key.empty()) {
    json.update(json_of(event.finding));
  } else {
    add_text(json, "netns", event.finding.netns);
  }
  if (event.source) json["source"] = to_string(*event.source);
  add_text(json, "error", event.error);
  if (event.retry_in.count() != 0) json["retry_in_seconds"] = event.retry_in.count();
  if (event.writer) json["writer"] = json_of(*event.writer);
  return json;
}

std::string line_of(const Json& json) { return json.dump() + '\n'; }

}  // namespace nswarden
