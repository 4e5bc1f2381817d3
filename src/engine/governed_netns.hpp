// SPDX-License-Identifier: Apache-2.0
// One netns that a policy may match: its plan, its binding if any, the last judgement of each setting, and the time of its next
// visit. Independent of names and directories. Loop thread only; used by the reconciler and its parts alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include <nswarden/engine/report.hpp>
#include "engine/judged_settings.hpp"
#include "engine/shared_plan.hpp"
#include "engine/visit.hpp"

namespace nswarden {

class GovernedNetns {
 public:
  GovernedNetns(std::uint64_t inode, Time first_seen, KeyCensus& census)
      : inode_(inode), settings_(census), memory_{first_seen} {}

  [[nodiscard]] std::uint64_t inode() const { return inode_; }
  /// 0 before the first binding, and if the kernel has none.
  [[nodiscard]] std::uint64_t cookie() const { return id_ ? id_->cookie : 0; }
  /// Null before set_plan().
  [[nodiscard]] const SharedPlan* plan() const { return settings_.plan() ? settings_.plan()->shared.get() : nullptr; }
  /// Policies that match it, ascending.
  [[nodiscard]] const std::vector<PolicyIndex>& matched() const { return plan()->matched(); }
  /// The keys that it is or will be bound with.
  [[nodiscard]] std::span<const KeyRequest> key_requests() const { return settings_.plan()->key_requests; }
  [[nodiscard]] const Resolution& resolution() const { return settings_.plan()->resolution; }
  [[nodiscard]] const JudgedSettings& settings() const { return settings_; }
  [[nodiscard]] bool bound() const { return netns_ != nullptr; }
  [[nodiscard]] bool unreadable() const { return enter_error_ != 0; }
  [[nodiscard]] Tier tier() const { return tier_; }

  /// Its globs may match other keys now: the next visit checks.
  void recheck_globs() { memory_.globs_due = memory_.globs_due || has_globs(); }

  /// Replaces the plan. Keeps the judgements of unchanged settings, but not the binding.
  void set_plan(const SharedPlan& plan);

  /// `binding` must have this inode number. Returns true for the first binding in its life.
  bool bound_as(Binding binding, Tier tier, Time now);
  void unbind();
  /// Forgets all judgements: this netns is not counted until its next visit.
  void forget() { settings_.forget(); }
  /// Makes every setting unreadable. Reports the error if it differs from the last one.
  void cannot_enter(const Error& error, Time now, Report& report);

  /// Precondition: bound(). For the result see Visit::make().
  Result<Visit::End> visit(const VisitContext& context, Report& report);

  /// The handed-over write has ended; the next visit counts it.
  void written(std::size_t setting, int error);

  /// Whether a visit has anything to do after another process wrote this setting.
  [[nodiscard]] bool reacts_to_write(std::size_t setting, Time now) const;

  /// When the next visit has something to do without an event. Sweeps retry a netns that cannot be bound.
  [[nodiscard]] std::optional<Time> retry_at() const { return bound() ? memory_.retry_at : std::nullopt; }

  /// Appends one entry per matching policy, ascending.
  void append_drift(const std::string& label, std::vector<NetnsDrift>& drift) const;
  /// Adds the counts of this netns.
  void add_to(Overview& overview) const;

 private:
  [[nodiscard]] bool has_globs() const { return !plan()->globs().empty(); }
  [[nodiscard]] bool counted() const;

  std::uint64_t inode_;
  std::optional<NetnsId> id_;  // once bound
  JudgedSettings settings_;
  VisitMemory memory_;
  std::unique_ptr<BoundNetns> netns_;
  Tier tier_ = Tier::held;
  int enter_error_ = 0;
};

}  // namespace nswarden
