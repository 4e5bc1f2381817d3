// SPDX-License-Identifier: Apache-2.0
// Counts, for each key, how many bound netns want it and in how many it is missing. A key that is missing in all of them
// most likely waits for a kernel module (kernel fact 38): looking for it in one netns a sweep is enough, because the module
// brings it to all at once. Loop thread only.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include <nswarden/engine/report.hpp>
#include <nswarden/policy/policy.hpp>

namespace nswarden {

class KeyCensus {
 public:
  void reset(std::size_t keys) { counts_.assign(keys, {}); }
  void begin_sweep() {
    for (Count& count : counts_) count.looked_for = false;
  }

  /// A setting of one netns went from one state to another; none is "not judged".
  void moved(KeyIndex key, std::optional<State> from, std::optional<State> to) {
    Count& count = counts_[key];
    if (from) --count.wanted;
    if (to) ++count.wanted;
    if (from == State::missing) --count.missing;
    if (to == State::missing) ++count.missing;
  }

  /// Whether to look for a key that is missing in the netns at hand.
  [[nodiscard]] bool worth_looking(KeyIndex key) const {
    const Count& count = counts_[key];
    return !count.looked_for || count.missing < count.wanted;
  }
  void looked_for(KeyIndex key) { counts_[key].looked_for = true; }

  /// Keys that some netns should have and none has.
  [[nodiscard]] std::vector<KeyIndex> missing_everywhere() const {
    std::vector<KeyIndex> keys;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i].wanted > 0 && counts_[i].missing == counts_[i].wanted) keys.push_back(static_cast<KeyIndex>(i));
    }
    return keys;
  }

 private:
  struct Count {
    std::size_t wanted = 0;
    std::size_t missing = 0;
    bool looked_for = false;  // in this sweep
  };
  std::vector<Count> counts_;
};

}  // namespace nswarden
