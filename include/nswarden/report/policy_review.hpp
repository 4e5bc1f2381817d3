// SPDX-License-Identifier: Apache-2.0
// Which parts of a configuration are of no use: policies that have matched no netns for long, and settings of keys that no netns
// has. Each is told once, until it is over. Pure; time is given.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
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

}  // namespace nswarden
