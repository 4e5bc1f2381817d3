// SPDX-License-Identifier: Apache-2.0
// What a daemon answers, read back from its JSON. It is as little trusted as anything from a network: a wrong type, a missing
// field, a number that cannot be, or nesting without end is refused with one line; unknown fields are passed over, as a newer
// daemon may have more. Strings stay as they came: whoever shows them makes them safe. Pure, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/report/json.hpp>
#include <nswarden/report/snapshot.hpp>

namespace nswarden {

/// A setting that is not compliant, or what an event says of one.
struct StatusFinding {
  std::string netns;
  std::string policy;
  std::string key;
  std::string want;
  std::string have;  ///< empty for none
  std::string state;
  std::string reason;
  std::string error;
  double since = 0;  ///< Unix time
  std::optional<Writer> writer;
};

struct StatusEvent {
  double time = 0;  ///< Unix time
  std::string what;
  StatusFinding finding;
  std::string source;
  std::size_t retry_in_seconds = 0;
};

struct StatusDocument {
  bool ready = false;
  Totals totals;  ///< add up
  std::vector<StatusFinding> findings;
  std::size_t findings_hidden = 0;
  double last_reconcile = 0;  ///< Unix time
  std::vector<SourceSnapshot> sources;
  std::vector<SourceSnapshot> unlisted;
  std::vector<PolicySnapshot> policies;
  ConfigSnapshot config;
};

/// The value of a text. Problems have no place: they name the field.
std::variant<Json, Problem> parse_answer(std::string_view text);

/// Of /api/v1/status.
std::variant<StatusDocument, Problem> status_of(const Json& answer);
/// Of /api/v1/events; newest last.
std::variant<std::vector<StatusEvent>, Problem> events_of(const Json& answer);

}  // namespace nswarden
