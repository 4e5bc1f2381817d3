// SPDX-License-Identifier: Apache-2.0
// The settings of one netns: its resolved plan, and the last value and judgement of each setting. Keeps its own counts and
// those of the census of all netns in step with the judgements, and lists settings and their changes for reports. Makes no
// system calls.
// Loop thread only; owned by GovernedNetns, changed by it and by its current visit.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/base/damping.hpp>
#include <nswarden/engine/kernel.hpp>
#include <nswarden/engine/report.hpp>
#include "engine/repair_history.hpp"
#include "engine/shared_plan.hpp"

namespace nswarden {

/// Counts, for each key, the bound netns that want it and those where it is missing. A key missing everywhere most likely waits
/// for a kernel module (kernel fact 38). Searching one netns per sweep is then enough, because the module adds the key to all.
class KeyCensus {
 public:
  void reset(std::size_t keys) { counts_.assign(keys, {}); }
  void begin_sweep() {
    for (Count& count : counts_) count.searched = false;
  }

  /// A setting of one netns changed its state; nullopt means not judged.
  void state_changed(KeyIndex key, std::optional<State> from, std::optional<State> to) {
    Count& count = counts_[key];
    if (from) --count.needing;
    if (to) ++count.needing;
    if (from == State::missing) --count.missing;
    if (to == State::missing) ++count.missing;
  }

  /// Whether to search the current netns for a missing key.
  [[nodiscard]] bool should_search(KeyIndex key) const {
    const Count& count = counts_[key];
    return !count.searched || count.missing < count.needing;
  }
  void searched(KeyIndex key) { counts_[key].searched = true; }

  /// Keys that some netns should have and none has.
  [[nodiscard]] std::vector<KeyIndex> missing_everywhere() const {
    std::vector<KeyIndex> keys;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i].needing > 0 && counts_[i].missing == counts_[i].needing) keys.push_back(static_cast<KeyIndex>(i));
    }
    return keys;
  }

 private:
  struct Count {
    std::size_t needing = 0;
    std::size_t missing = 0;
    bool searched = false;  // in this sweep
  };
  std::vector<Count> counts_;
};

struct JudgedSetting {
  std::string seen;  // bytes as last read
  RepairHistory repairs;
  Time since;                  // when it was first found compliant, or not compliant
  int error = 0;               // errno when unreadable
  std::optional<State> state;  // nullopt: not judged
  bool absent = false;         // an optional key that does not exist: compliant

  [[nodiscard]] bool compliant() const { return state == State::compliant; }
  [[nodiscard]] bool missing() const { return absent || state == State::missing; }
  [[nodiscard]] Reason reason() const;
};

/// State of one setting as one visit found it, and the writes to it. Made by Visit, and by GovernedNetns when its netns cannot
/// be entered; kept until the visit ends.
struct SettingTrace {
  /// `setting` is as the last visit left it.
  explicit SettingTrace(const JudgedSetting& setting);
  /// Call after judging `setting` by the first readings of this visit.
  void note_found(const JudgedSetting& setting) {
    found = *setting.state;
    found_value = setting.seen;
  }

  std::optional<State> before;
  std::string seen_before;
  std::optional<std::pair<Outcome, int>> failure_before;
  State found = State::compliant;
  std::string found_value;
  int tries = 0;
  bool stop = false;               // no further write in this visit
  std::string stored_instead;      // by the last write
  std::optional<Attempt> last;     // attempt of this visit
  std::optional<Time> write_seen;  // of a write that another thread made
  bool by_other_process = false;   // of that write too: another process had caused the drift
  bool becomes_suspended = false;
  bool suspension_ended = false;
  bool contradicted = false;  // a write for another setting undid it, and vice versa
};

class JudgedSettings {
 public:
  explicit JudgedSettings(KeyCensus& census) : census_(census) {}

  /// Null before the first adopt().
  [[nodiscard]] const std::shared_ptr<const ResolvedPlan>& plan() const { return plan_; }
  [[nodiscard]] const PlannedSetting& planned(std::size_t index) const { return plan_->resolution.settings[index]; }
  /// Whether the policy that owns the setting restores the values that its writes replace.
  [[nodiscard]] bool restores(std::size_t index) const;

  /// Replaces the plan. Keeps the judgements of unchanged settings.
  void adopt(std::shared_ptr<const ResolvedPlan> plan);
  /// Forgets all judgements.
  void forget();

  [[nodiscard]] std::size_t size() const { return settings_.size(); }
  [[nodiscard]] const JudgedSetting& operator[](std::size_t index) const { return settings_[index]; }
  [[nodiscard]] auto begin() const { return settings_.begin(); }
  [[nodiscard]] auto end() const { return settings_.end(); }
  [[nodiscard]] RepairHistory& repairs(std::size_t index) { return settings_[index].repairs; }
  [[nodiscard]] std::size_t not_compliant() const { return not_compliant_; }
  [[nodiscard]] bool all_compliant() const { return not_compliant_ == 0; }
  /// Whether this setting and another one undo each other.
  [[nodiscard]] bool contradicted(std::size_t index) const;

  /// `readings` covers all keys of the plan, here and below.
  void judge(std::span<const Reading> readings, Time now, std::chrono::nanoseconds tick);
  /// Makes every setting unreadable, with this errno.
  void set_unreadable(int error, Time now);
  /// Whether the bytes equal those judged compliant, so that nothing needs parsing.
  [[nodiscard]] bool equals_compliant_bytes(std::span<const Reading> readings) const;
  /// Stores the values that are only exported.
  void keep_observed(std::span<const Reading> readings);
  /// Whether to search again for missing keys. If so, the census records the search.
  bool should_search_missing();

  /// Appends the changes at the end of a visit; `report` already has the label. `traces`: one per setting. `write_seen`: of the
  /// write that led to the visit.
  void report_changes(const std::vector<SettingTrace>& traces, std::optional<Time> write_seen, Report& report);

  /// `label`: of the netns, here and below.
  [[nodiscard]] Finding finding(std::size_t index, const std::string& label) const;
  /// Appends one finding per judged setting (all, or only those that are not compliant).
  void append_findings(const std::string& label, WhichSettings which, std::size_t cap, std::vector<Finding>& findings) const;
  /// Appends the values that are only exported, as last read, with at most `cap` numbers. Returns the number of numbers.
  std::size_t append_observations(const std::string& label, std::size_t cap, std::vector<Observed>& observations) const;
  /// Adds the settings, and the numbers in values that are only exported.
  void add_to(Overview& overview) const;

 private:
  void judge(std::size_t index, const Reading& reading, Time now, std::chrono::nanoseconds tick);
  void set_state(std::size_t index, State state, bool absent, Time now);
  void count(std::size_t index, std::optional<State> state, bool absent);

  KeyCensus& census_;
  std::shared_ptr<const ResolvedPlan> plan_;
  std::vector<JudgedSetting> settings_;  // as plan_->resolution.settings
  std::vector<std::string> observed_;    // as plan_->resolution.observed: bytes, as last read
  std::size_t not_compliant_ = 0;
  std::size_t absent_ = 0;
};

}  // namespace nswarden
