// SPDX-License-Identifier: Apache-2.0
// What one visit does to one setting: remembered until it is told. Only for the two sources of GovernedNetns.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/governed_netns.hpp"

namespace nswarden {

/// Stands for the values of secrets (kernel fact 29).
inline constexpr std::string_view redacted = "redacted";

struct GovernedNetns::Trace {
  std::optional<State> before;
  std::string seen_before;
  State found = State::compliant;
  std::string found_value;
  int tries = 0;
  bool stop = false;            // no further write in this visit
  std::string stored_instead;   // by the last write
  std::optional<Attempt> last;  // attempt of this visit
  std::optional<std::pair<Outcome, int>> trouble_before;
  std::optional<Time> write_seen;  // of a write that another thread made
  bool by_somebody = false;        // of that too: it was wrong because somebody wrote it
  bool becomes_suspended = false;
  bool calms_down = false;
  bool contradicted = false;  // a write of ours that was made for another setting undid it, and the other way round
};

}  // namespace nswarden
