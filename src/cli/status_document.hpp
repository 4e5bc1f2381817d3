// SPDX-License-Identifier: Apache-2.0
// Parses the daemon's JSON responses. The data is untrusted: a wrong type, a missing field, an impossible number or unlimited
// nesting is rejected with one line. Unknown fields are ignored, since a newer daemon may add some. Strings are unchanged:
// the caller escapes them for display. Pure, any thread.
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

/// A noncompliant setting, or an event about one.
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
  std::string kind;
  StatusFinding finding;
  std::string source;
  std::size_t retry_in_seconds = 0;
};

struct StatusDocument {
  bool ready = false;
  Totals totals;  ///< their sums are checked
  std::vector<StatusFinding> findings;
  std::size_t findings_hidden = 0;
  double last_reconcile = 0;  ///< Unix time
  std::vector<SourceSnapshot> sources;
  std::vector<SourceSnapshot> unlisted;
  std::vector<PolicySnapshot> policies;
  ConfigSnapshot config;
};

/// Parses a text as JSON. Problems have no position: they name the field.
std::variant<Json, Problem> parse_answer(std::string_view text);

/// Parses /api/v1/status.
std::variant<StatusDocument, Problem> status_of(const Json& answer);
/// Parses /api/v1/events, newest last.
std::variant<std::vector<StatusEvent>, Problem> events_of(const Json& answer);

}  // namespace nswarden
