// SPDX-License-Identifier: Apache-2.0
// JSON of what reports and the HTTP API both show: schema 1. All bytes pass printable(). Pure, any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include <nswarden/engine/report.hpp>
#include <nswarden/engine/writer.hpp>
#include <nswarden/report/event_log.hpp>

namespace nswarden {

// Keys stay in the order in which the contract shows them.
using Json = nlohmann::ordered_json;

Json json_of(const Totals& totals);
Json json_of(const Finding& finding);
/// What is unknown is left out.
Json json_of(const Writer& writer);
Json json_of(const Event& event);

/// A whole answer: one line.
std::string line_of(const Json& json);

}  // namespace nswarden
