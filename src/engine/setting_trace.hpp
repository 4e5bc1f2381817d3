// SPDX-License-Identifier: Apache-2.0
// How one visit found one setting and what it did to it, kept until the visit ends, and the changes to report then.
// Loop thread only; made by Visit, and by GovernedNetns when its netns cannot be entered.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/judged_settings.hpp"

namespace nswarden {

struct SettingTrace {
  /// `setting` is as the last visit left it.
  explicit SettingTrace(const JudgedSetting& setting);
  /// `setting` has been judged by the first readings of this visit.
  void note_found(const JudgedSetting& setting);

  std::optional<State> before;
  std::string seen_before;
  std::optional<std::pair<Outcome, int>> trouble_before;
  State found = State::compliant;
  std::string found_value;
  int tries = 0;
  bool stop = false;               // no further write in this visit
  std::string stored_instead;      // by the last write
  std::optional<Attempt> last;     // attempt of this visit
  std::optional<Time> write_seen;  // of a write that another thread made
  bool by_others = false;          // of that too: it was wrong because another process wrote it
  bool becomes_suspended = false;
  bool calms_down = false;
  bool contradicted = false;  // a write for another setting undid it, and the other way round
};

/// One for each setting.
std::vector<SettingTrace> traces_of(const JudgedSettings& settings);

/// Appends the changes to `report`, which has the label already. `write_seen`: of the write that led to the visit.
void report_changes(const std::vector<SettingTrace>& traces, JudgedSettings& settings, std::optional<Time> write_seen,
                    Report& report);

}  // namespace nswarden
