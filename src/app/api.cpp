// SPDX-License-Identifier: Apache-2.0
#include "app/api.hpp"

#include <nswarden/core/text.hpp>
#include <utility>
#include <vector>

#include "app/json.hpp"

namespace nswarden::app {
namespace {

Json json_of(const std::vector<SourceSnapshot>& sources) {
  Json list = Json::array();
  for (const SourceSnapshot& source : sources) {
    Json json{{"name", core::printable(source.name)}, {"up", source.up}};
    if (!source.up) json["reason"] = core::printable(source.reason);
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace

std::string status_json(const Snapshot& snapshot) {
  Json json{{"schema", 1},
            {"compliant", snapshot.totals.compliant == snapshot.totals.settings},
            {"totals", json_of(snapshot.totals)},
            {"findings", Json::array()},
            {"findings_hidden", snapshot.drift_hidden},
            {"ready", snapshot.ready},
            {"sources", json_of(snapshot.sources)}};
  for (const auto& [finding, writer] : snapshot.drift) {
    Json shown = json_of(finding);
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

}  // namespace nswarden::app
