// SPDX-License-Identifier: Apache-2.0
// The settings of one netns: its resolved plan, and the last value and judgement of each setting. Keeps its own counts and those
// of the census of all netns in step with the judgements, and lists settings and their changes for reports. Makes no system calls.
// Loop thread only; owned by GovernedNetns, changed by it and by the visit under way.
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

/// Counts, for each key, how many bound netns want it and in how many it is missing. A key that is missing in all of them most
/// likely waits for a kernel module (kernel fact 38): looking for it in one netns per sweep is enough, because the module adds it to
/// all of them.
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

struct JudgedSetting {
  std::string seen;  // bytes as last read
  RepairHistory repairs;
  Time since;                  // when it was first found to be compliant, or not
  int error = 0;               // errno when unreadable
  std::optional<State> state;  // none: not judged
  bool absent = false;         // an optional key that does not exist: compliant

  [[nodiscard]] bool compliant() const { return state == State::compliant; }
  [[nodiscard]] bool missing() const { return absent || state == State::missing; }
  [[nodiscard]] Reason reason() const;
};

/// How one visit found one setting, and its writes to it. Made by Visit, and by GovernedNetns when its netns cannot be entered; kept
/// until the visit ends.
struct SettingTrace {
  /// `setting` is as the last visit left it.
  explicit SettingTrace(const JudgedSetting& setting);
  /// `setting` has been judged by the first readings of this visit.
  void note_found(const JudgedSetting& setting) {
    found = *setting.state;
    found_value = setting.seen;
  }

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

class JudgedSettings {
 public:
  explicit JudgedSettings(KeyCensus& census) : census_(census) {}

  /// Null before the first adopt().
  [[nodiscard]] const std::shared_ptr<const ResolvedPlan>& plan() const { return plan_; }
  [[nodiscard]] const PlannedSetting& planned(std::size_t index) const { return plan_->resolution.settings[index]; }
  /// Whether the policy that owns the setting restores the values that its writes replace.
  [[nodiscard]] bool restores(std::size_t index) const;

  /// Wants this from now on. The judgement of a setting that stays as it was is kept.
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
  /// Whether this setting and another one of ours undo each other.
  [[nodiscard]] bool contradicted(std::size_t index) const;

  /// `readings` are of all keys of the plan, here and below.
  void judge(std::span<const Reading> readings, Time now, std::chrono::nanoseconds tick);
  /// None can be read, because of this errno.
  void become_unreadable(int error, Time now);
  /// Whether the bytes are those that were judged good, so that nothing need be parsed.
  [[nodiscard]] bool as_judged_good(std::span<const Reading> readings) const;
  /// Takes the values that are only exported.
  void keep_observed(std::span<const Reading> readings);
  /// Whether to look again for the keys that were missing. If so, the census counts that as done.
  bool look_for_missing();

  /// Appends the changes to report at the end of a visit; `report` has the label already. `traces`: one for each setting.
  /// `write_seen`: of the write that led to the visit.
  void report_changes(const std::vector<SettingTrace>& traces, std::optional<Time> write_seen, Report& report);

  /// `label`: of the netns, here and below.
  [[nodiscard]] Finding finding(std::size_t index, const std::string& label) const;
  /// One finding for each setting that has been judged (all, or those that are not compliant).
  void append_findings(const std::string& label, WhichSettings which, std::size_t cap, std::vector<Finding>& findings) const;
  /// Appends the values that are only exported, as last read, with at most `cap` numbers. How many numbers those are.
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
