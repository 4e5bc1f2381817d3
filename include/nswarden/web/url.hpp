// SPDX-License-Identifier: Apache-2.0
// URL paths and queries as HTML forms encode them, and the status page's filter, which is a query. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nswarden/engine/report.hpp>
#include <nswarden/report/event_log.hpp>

namespace nswarden {

/// The path of a request, %XX decoded once. nullopt if invalid: a NUL or a `%` without a code.
std::optional<std::string> decoded_path(std::string_view raw);

/// Encodes a query value: all but letters, digits and `-._~` as `%NN`.
std::string query_encoded(std::string_view bytes);

/// The same for a path, except for its slashes.
std::string path_encoded(std::string_view path);

/// Selection of the status page: all, one netns, one policy, or both. Names are as printable() shows them, also in the URL,
/// so that names from labels, log lines and JSON can be pasted.
struct Filter {
  std::string netns;   ///< printable; empty for all
  std::string policy;  ///< likewise

  /// Parses `netns=NAME&policy=NAME`. Unprintable bytes match their escapes: `%0A` is `\x0a`.
  static Filter of_query(std::string_view query);

  [[nodiscard]] bool active() const { return !netns.empty() || !policy.empty(); }
  [[nodiscard]] bool matches(const Finding& finding) const;
  /// A filter by netns or policy hides events without one.
  [[nodiscard]] bool matches(const Event& event) const { return matches(event.finding); }
};

/// Link to the page with that filter.
std::string netns_link(std::string_view name);
std::string policy_link(std::string_view name);

}  // namespace nswarden
