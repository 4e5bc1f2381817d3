// SPDX-License-Identifier: Apache-2.0
// One netns that a policy may match: its plan, its binding while it has one, and what was last judged of each setting.
// visit() is the one function that decides what to do, whatever woke us up. Knows nothing of names and directories.
// Loop thread only; used by the reconciler alone.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include <nswarden/engine/reconciler.hpp>
#include "engine/key_census.hpp"
#include "engine/shared_plan.hpp"

namespace nswarden {

/// What a visit needs besides the netns itself.
struct GovernedContext {
  KeyCensus& census;
  const DampingRules& damping;
  std::chrono::nanoseconds tick{0};  ///< the kernel's
  bool write = true;
  Time now;
  std::optional<Time> write_seen{};           ///< of the write that led to this visit
  std::span<const std::size_t> written_to{};  ///< settings that others were seen to write since the last visit

  [[nodiscard]] bool was_written_to(std::size_t setting) const {
    return std::find(written_to.begin(), written_to.end(), setting) != written_to.end();
  }
};

class GovernedNetns {
 public:
  GovernedNetns(std::uint64_t inode, Time first_seen) : inode_(inode), first_seen_(first_seen) {}

  [[nodiscard]] std::uint64_t inode() const { return inode_; }
  /// 0 before it is bound for the first time, and where the kernel has none.
  [[nodiscard]] std::uint64_t cookie() const { return id_ ? id_->cookie : 0; }
  /// None before set_plan().
  [[nodiscard]] const SharedPlan* plan() const { return resolved_ ? resolved_->shared.get() : nullptr; }
  /// What it is or will be bound with.
  [[nodiscard]] std::span<const Wish> wishes() const { return resolved_->wishes; }
  [[nodiscard]] const Resolution& resolution() const { return resolved_->resolution; }
  [[nodiscard]] bool bound() const { return netns_ != nullptr; }
  [[nodiscard]] bool unreadable() const { return enter_error_ != 0; }
  [[nodiscard]] Tier tier() const { return tier_; }
  [[nodiscard]] std::size_t not_compliant() const { return not_compliant_; }

  /// What its globs stand for may have changed: the next visit looks.
  void look_again() { look_due_ = look_due_ || has_globs(); }
  [[nodiscard]] bool has_globs() const { return !resolved_->shared->globs().empty(); }

  /// Wants this from now on. What was judged of a setting that stays as it was is kept; the binding is not.
  void set_plan(const SharedPlan& plan, const GovernedContext& context);

  /// `binding` is of this inode. True when it is bound for the first time in its life.
  bool bound_as(Binding binding, Tier tier, const GovernedContext& context);
  void unbind();
  /// Forgets all judgements: this netns is not counted until it is visited again.
  void forget(const GovernedContext& context);
  /// Every setting is unreadable. True when the error is another one than last time.
  bool cannot_enter(const Error& error, const GovernedContext& context, Report& report);

  /// Reads all, judges, writes what drifted, reads all again. Precondition: bound(). False when the binding turned out stale
  /// (the netns or an interface has gone): unbind, bind again, and visit again.
  bool visit(const GovernedContext& wanted, Report& report);

  /// Whether the last visit left something to write that could be written at once.
  [[nodiscard]] bool more() const { return more_; }
  /// Why visit() gave false, where it was not that the binding is stale: files or memory ran out, say.
  [[nodiscard]] const std::optional<Error>& look_error() const { return look_error_; }

  /// The write that was handed over has ended; the next visit counts it.
  void written(std::size_t setting, int error);

  /// Whether a write to this setting by somebody else can make a visit do anything.
  [[nodiscard]] bool minds(std::size_t setting, Time now) const;

  /// When the next visit has something to do, without any event. While it cannot be bound, sweeps try that.
  [[nodiscard]] std::optional<Time> retry_at() const { return bound() ? retry_at_ : std::nullopt; }

  /// One finding for each setting that has been judged (all, or those that are not compliant).
  void append_findings(const std::string& label, Reconciler::Which which, std::size_t cap,
                       std::vector<Finding>& findings) const;
  /// Appends the values that are only exported, as last read, with at most `cap` numbers. How many numbers those are.
  std::size_t append_observations(const std::string& label, std::size_t cap, std::vector<Observed>& observations) const;
  /// One for each policy that matches, ascending.
  void append_drift(const std::string& label, std::vector<NetnsDrift>& drift) const;
  /// Adds what is judged of this netns.
  void add_to(Overview& overview) const;

 private:
  /// Kept only for a setting whose repair did not succeed.
  struct Trouble {
    Outcome outcome = Outcome::failed;
    int error = 0;
    // What the kernel makes of our value (clamped), or what another setting of ours makes of it.
    std::string stored_instead;
    Time retry_at;  // not to be written before, after an error or while it reads like stored_instead
    std::chrono::seconds delay{0};
  };
  struct SettingState {
    std::string seen;  // bytes as last read
    std::unique_ptr<Trouble> trouble;
    std::unique_ptr<Damping> damping;  // of one that was repaired lately
    // For restoring: the bytes before a write of ours changed them that is not told as having overwritten them yet.
    std::unique_ptr<std::string> before_ours;
    Time since;  // when it was first found to be compliant, or not
    int error = 0;
    std::int32_t undone_by = nobody;  // the setting of ours whose write last made this one wrong
    std::optional<State> state;       // none: not judged
    bool absent = false;              // an optional key that does not exist: compliant
    bool contradiction_told = false;
  };
  static constexpr std::int32_t nobody = -1;
  struct Trace;
  // A write that another thread makes; nothing else is written meanwhile.
  struct SlowWrite {
    std::size_t setting = 0;
    int tries = 0;
    std::string stored_instead;
    Source source = Source::reconcile;
    std::string found;  // before it
    std::optional<Time> write_seen;
    bool by_somebody = false;  // it was wrong because somebody wrote it
    std::optional<int> error;  // once it has ended; 0 when the kernel took it
  };

  [[nodiscard]] bool counted() const;
  void adopt(std::shared_ptr<const ResolvedPlan> resolved, const GovernedContext& context);
  enum class Look : std::uint8_t { changes, vanished };
  bool look(Look why, const GovernedContext& context);
  bool read_all(const GovernedContext& context);
  void keep_observed();
  [[nodiscard]] bool all_as_judged_good(std::span<const Reading> readings) const;
  bool look_for_missing(const GovernedContext& context);
  [[nodiscard]] const PlannedSetting& planned(std::size_t index) const { return resolved_->resolution.settings[index]; }
  bool read_and_judge(const GovernedContext& context);
  void judge(std::size_t index, const Reading& reading, const GovernedContext& context);
  void set_state(std::size_t index, std::optional<State> state, bool absent, const GovernedContext& context);
  [[nodiscard]] static std::optional<State> census_state(const SettingState& setting);
  [[nodiscard]] std::vector<std::size_t> next_writes(const std::vector<Trace>& traces, const GovernedContext& context) const;
  bool repair(const GovernedContext& context, std::vector<Trace>& traces, Report& report);
  void back_off(std::size_t index, const GovernedContext& context);
  void fail(std::size_t index, Trace& trace, int error, const GovernedContext& context, Report& report);
  void conclude_slow_write(std::vector<Trace>& traces, const GovernedContext& context, Report& report);
  void note_fights(std::vector<Trace>& traces, const GovernedContext& context);
  void see_to_retries(const GovernedContext& context);
  void forget_old_repairs(const GovernedContext& context);
  [[nodiscard]] bool suspended(std::size_t index) const;
  void note_undone(std::size_t writer, std::span<const std::optional<State>> before, std::vector<Trace>& traces,
                   const GovernedContext& context);
  void note_undone_by_slow_write(std::size_t writer, std::vector<Trace>& traces, const GovernedContext& context);
  [[nodiscard]] bool contradicted(std::size_t index) const;
  [[nodiscard]] bool may_write(std::size_t index, const Trace& trace, const GovernedContext& context) const;
  void conclude_write(std::size_t index, Trace& trace, const GovernedContext& context, Report& report);
  [[nodiscard]] bool restores(std::size_t index) const;
  void keep_changed_by_us(std::size_t writer, std::span<const std::string> before, const GovernedContext& context);
  void keep_overwritten(std::size_t index, const std::string& found, const Trace& trace, Report& report);
  void tell_changes(const std::vector<Trace>& traces, const GovernedContext& context, Report& report);
  [[nodiscard]] Finding finding(std::size_t index, const std::string& label) const;
  [[nodiscard]] Reason reason(std::size_t index) const;

  std::uint64_t inode_;
  Time first_seen_;
  std::optional<NetnsId> id_;  // once bound
  std::shared_ptr<const ResolvedPlan> resolved_;
  std::unique_ptr<BoundNetns> netns_;
  Tier tier_ = Tier::held;
  bool fresh_ = false;                  // bound since the last visit, so nothing can be missing that bind() would have found
  bool look_due_ = false;               // at what its globs stand for
  std::vector<SettingState> settings_;  // as resolution().settings
  std::span<const Reading> readings_;   // of the visit under way
  std::vector<std::string> observed_;   // as resolution().observed: bytes, as last read
  std::size_t not_compliant_ = 0;
  std::size_t absent_ = 0;
  int enter_error_ = 0;
  bool was_compliant_ = false;
  std::optional<SlowWrite> slow_write_;
  std::optional<Time> retry_at_;
  bool more_ = false;                        // to write than there was time for in this visit
  std::optional<Error> look_error_;          // why the last visit could not look or hold, if the binding is not just stale
  bool busy_ = false;                        // a write could not be made or handed over in this visit
  std::chrono::milliseconds busy_delay_{0};  // after the last visit, if that was one of these
  Time repairs_forgotten_at_ = Time::max();  // when the damping of settings that are not suspended has ended
};

}  // namespace nswarden
