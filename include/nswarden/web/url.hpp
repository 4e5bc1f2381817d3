// SPDX-License-Identifier: Apache-2.0
// Paths and queries of URLs, as HTML forms write them, and the filter of the status page, which is a query. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nswarden/engine/report.hpp>
#include <nswarden/report/event_log.hpp>

namespace nswarden {

/// The path of a request, %XX decoded once. None when it cannot be a path of ours: a NUL or a `%` without a code.
std::optional<std::string> decoded_path(std::string_view raw);

/// For a value in a query: all but letters, digits and `-._~` as `%NN`.
std::string query_encoded(std::string_view bytes);

/// The same for a path, whose slashes stay.
std::string path_encoded(std::string_view path);

/// What the status page is to show: all, one netns, one policy, or one of both. Names are as printable() shows them, here as
/// in the URL, so that what a label, a log line or the JSON says can be put there as it is.
struct Filter {
  std::string netns;   ///< printable; empty for all
  std::string policy;  ///< the same

  /// `netns=NAME&policy=NAME`. Bytes that cannot be shown are taken for those that stand for them: `%0A` is `\x0a`.
  static Filter of_query(std::string_view query);

  [[nodiscard]] bool active() const { return !netns.empty() || !policy.empty(); }
  [[nodiscard]] bool takes(const Finding& finding) const;
  /// An event that is of no netns or no policy is hidden when one is asked for.
  [[nodiscard]] bool takes(const Event& event) const { return takes(event.finding); }
};

/// The page with that filter.
std::string netns_link(std::string_view name);
std::string policy_link(std::string_view name);

}  // namespace nswarden
