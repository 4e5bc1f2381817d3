// SPDX-License-Identifier: Apache-2.0
// Finds unused parts of a configuration: policies that have matched no netns for a long time, and settings of keys that exist
// in no netns. Reports each once until it is used again. The caller passes the time. suggest_key() reads key names from the
// kernel and any thread may call it; the rest belongs to the thread of the reconciler.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/engine/reconciler.hpp>

namespace nswarden {

/// A policy without matches, or one of its keys, as written, that exists nowhere.
struct UnusedPart {
  std::string policy;
  std::string key;                                                          ///< empty: the policy itself
  friend auto operator<=>(const UnusedPart&, const UnusedPart&) = default;  // NOLINT(modernize-use-nullptr): as in key.hpp
};

/// Currently unused parts, from a single check after a sweep.
std::vector<UnusedPart> find_unused(const Reconciler& reconciler, Time now);

class PolicyReview {
 public:
  /// How long a policy may match nothing, because netns come and go.
  static constexpr std::chrono::hours grace_period{1};

  /// Called after each sweep with the currently unused parts. Returns those to report now.
  std::vector<UnusedPart> newly_unused(std::vector<UnusedPart> unused, Time now);

 private:
  struct Since {
    Time first;
    bool reported = false;
  };
  std::map<UnusedPart, Since> known_;
};

/// Suggests the intended key for one that exists in no netns. `name` is dotted, with globs, like a policy's key in reports.
/// Returns it with the nearest name in its directory of the daemon's own netns; empty optional when no name is near, or when
/// the key itself exists. Keys of `default` represent those of interfaces.
std::optional<std::string> suggest_key(std::string_view name);

}  // namespace nswarden
