// SPDX-License-Identifier: Apache-2.0
#include "web/routes.hpp"

#include <nswarden/base/text.hpp>
#include <utility>
#include <vector>

#include <nswarden/report/json.hpp>

namespace nswarden {
namespace {

Json json_of(const std::vector<SourceSnapshot>& sources) {
  Json list = Json::array();
  for (const SourceSnapshot& source : sources) {
    Json json{{"name", printable(source.name)}, {"up", source.up}};
    if (!source.up) json["reason"] = printable(source.reason);
    list.push_back(std::move(json));
  }
  return list;
}

Json json_of(const std::vector<PolicySnapshot>& policies) {
  Json list = Json::array();
  for (const PolicySnapshot& policy : policies) {
    list.push_back({{"name", printable(policy.name)},
                    {"mode", policy.enforcing ? "enforce" : "audit"},
                    {"netns", policy.netns},
                    {"settings", policy.settings},
                    {"drifted", policy.drifted},
                    {"suspended", policy.suspended},
                    {"conflicts", policy.conflicts}});
  }
  return list;
}

Json json_of(const ConfigSnapshot& config) {
  Json json{{"source", printable(config.source)},
            {"sha256", config.hash},
            {"loaded", config.loaded_seconds},
            {"audit", config.audit}};
  if (!config.error.empty()) {
    json["error"] = printable(config.error);
    json["failed"] = config.failed_seconds;
  }
  return json;
}

}  // namespace

std::string status_json(const Snapshot& snapshot) {
  Json json{{"schema", 1},
            {"compliant", snapshot.totals.compliant == snapshot.totals.settings},
            {"totals", json_of(snapshot.totals)},
            {"findings", Json::array()},
            {"findings_hidden", snapshot.drift_hidden},
            {"ready", snapshot.ready},
            {"time", snapshot.time},
            {"last_reconcile", snapshot.last_reconcile_seconds},
            {"sources", json_of(snapshot.sources)},
            {"unlisted", json_of(snapshot.unlisted)},
            {"policies", json_of(snapshot.policies)},
            {"config", json_of(snapshot.config)}};
  for (const auto& [finding, writer, since] : snapshot.drift) {
    Json shown = json_of(finding);
    shown["since"] = since;
    if (writer) shown["writer"] = json_of(*writer);
    json["findings"].push_back(std::move(shown));
  }
  return line_of(json);
}

std::string events_json(const Snapshot& snapshot) {
  Json json{{"schema", 1}, {"events", Json::array()}};
  if (snapshot.events) {
    for (const auto& event : *snapshot.events) json["events"].push_back(json_of(*event));
  }
  return line_of(json);
}

}  // namespace nswarden
