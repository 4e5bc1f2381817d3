// SPDX-License-Identifier: Apache-2.0
// JSON (schema 1) shared by reports and the HTTP API. All bytes pass printable(). Pure, any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include <nswarden/engine/report.hpp>
#include <nswarden/engine/writer.hpp>
#include <nswarden/report/event_log.hpp>

namespace nswarden {

// Preserves the order of keys in the documented schema.
using Json = nlohmann::ordered_json;

Json json_of(const Totals& totals);
Json json_of(const Finding& finding);
/// Omits unknown fields.
Json json_of(const Writer& writer);
Json json_of(const Event& event);

/// A complete response on one line.
std::string line_of(const Json& json);

}  // namespace nswarden
