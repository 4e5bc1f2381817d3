// SPDX-License-Identifier: Apache-2.0
// Which parts of a configuration are of no use: policies that have matched no netns for long, and settings of keys that no netns
// has. Each is reported once, until it is over. Time is an argument. meant_key() reads names of keys from the kernel and may be called by
// any thread; the rest belongs to the thread of the reconciler.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/engine/reconciler.hpp>

namespace nswarden {

/// A policy that matches nothing, or one of its keys, as it is written, that exists nowhere.
struct Useless {
  std::string policy;
  std::string key;                                                    ///< empty: the policy itself
  friend auto operator<=>(const Useless&, const Useless&) = default;  // NOLINT(modernize-use-nullptr): as in key.hpp
};

/// What is of no use at this moment: after a sweep, by one look.
std::vector<Useless> useless_now(const Reconciler& reconciler, Time now);

class PolicyReview {
 public:
  /// For so long a policy may match nothing: netns come and go.
  static constexpr std::chrono::hours patience{1};

  /// After each sweep, with what is of no use then. What is to be told now.
  std::vector<Useless> look(std::vector<Useless> useless, Time now);

 private:
  struct Since {
    Time first;
    bool told = false;
  };
  std::map<Useless, Since> known_;
};

/// The key that was meant by one that no netns has: `name` as a policy's key is shown: dotted, globs as they are. The same with the nearest name in its directory
/// of our own netns; none when nothing is near, or when it has the very key. Keys of `default` stand for those of interfaces.
std::optional<std::string> meant_key(std::string_view name);

}  // namespace nswarden
