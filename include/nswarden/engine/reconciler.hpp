// SPDX-License-Identifier: Apache-2.0
// The heart: knows every name in the netns directories and every netns behind them, binds those that a policy matches, and
// visits them. Level-triggered: whatever woke the caller up, it calls touch, look_pending, list or begin_sweep, any of them at
// any time, in any order, twice or late, then step() while there is work(), and comes to the same state.
// Loop thread only. No clock: `now` is given, and only ever compared with an earlier `now`.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <nswarden/base/damping.hpp>
#include <nswarden/engine/kernel.hpp>
#include <nswarden/engine/report.hpp>
#include <nswarden/policy/policy.hpp>
#include "engine/announced.hpp"
#include "engine/binder.hpp"
#include "engine/name_table.hpp"
#include "engine/visit_queues.hpp"

namespace nswarden {

class Reconciler final : private NameTable::Listener {
 public:
  struct Options {
    std::size_t fd_budget = 0;  ///< how many fds bound netns may hold in all
    bool write = true;          ///< false: nothing is written, whatever the policies say
    /// It takes over from another one that was lost: what its first sweep finds did not just come, and commands are not due.
    bool resumed = false;
    DampingRules damping{};
    std::chrono::nanoseconds tick{0};  ///< the kernel's, to which it rounds some values
  };
  Reconciler(NetnsCatalog& catalog, std::shared_ptr<const PolicySet> policies, Options options);
  ~Reconciler() = default;
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  /// Governs by these from now on. Judgements of settings that stay as they were are kept. A sweep should follow.
  void set_policies(std::shared_ptr<const PolicySet> policies);
  void damp_by(const DampingRules& rules) { options_.damping = rules; }
  [[nodiscard]] const PolicySet& policies() const { return *policies_; }

  /// Looks at one name again, and queues the netns that it leads to for a visit.
  void touch(std::uint16_t directory, std::string_view name, Time now);

  /// Another process wrote a sysctl: the netns whose nsfs file has this inode number is visited before all else, unless that
  /// setting (index into the keys that it was bound with) is suspended and known to be wrong.
  void saw_write(std::uint64_t inode, std::size_t setting, Time now);
  /// Another process wrote a sysctl of some netns, of which only the last component of its key is known: all netns that have one of
  /// that name are visited, after what is new and in turns with the sweep. `seen`: when that was.
  void saw_write_somewhere(std::string_view name, Time seen);

  /// Interfaces of the netns whose nsfs file has this inode number came, went or were renamed.
  void saw_links(std::uint64_t inode);
  /// Interfaces of any netns may have changed: each is looked at in its next visit.
  void lost_links();
  /// Whether all changes of interfaces of netns that were bound as `links_told` are reported by saw_links() or lost_links(). If
  /// not, each sweep looks. It does so now and then in any case.
  void trust_links(bool told) { links_trusted_ = told; }

  /// A write that was handed over has ended; `error` is an errno, 0 when the kernel took it.
  void written(std::uint64_t inode, std::size_t setting, int error);

  /// Queues the netns whose suspended or failing settings may be tried again.
  void retry(Time now) { queues_.add_due(now); }
  /// When retry() is due; none while nothing waits for it.
  [[nodiscard]] std::optional<Time> retry_due() const { return queues_.due(); }

  /// Looks again at the names that may become netns at any moment.
  void look_pending(Time now);
  /// When look_pending is due without any event; none while nothing is pending.
  [[nodiscard]] std::optional<Time> pending_due() const { return names_.pending_due(); }

  /// Lists the directories: finds names that came, went, or (Detail::full) lead to another netns than before. The failures are of
  /// directories whose names stay as they were known. The looks that it asks for are made by step().
  std::vector<Listing::Failure> list(NetnsCatalog::Detail detail, Time now) { return names_.list(detail, now); }

  /// A sweep visits every netns; the first one is the startup sweep. list() goes with it, before or after.
  void begin_sweep();
  [[nodiscard]] bool sweeping() const { return sweeping_; }

  /// Whether step() has anything to do: netns that are queued, names to look at, or a sweep that is not done.
  [[nodiscard]] bool work() const { return sweeping_ || names_.looks_due() || !queues_.empty(); }
  /// Whether a netns in which another process wrote waits for its visit.
  [[nodiscard]] bool urgent() const { return !queues_.empty(VisitQueues::written_to); }
  /// Visits what was written to, looks at names, visits what is new, in turns with the sweep, until about `cost` keys have been
  /// read; at least one netns or name.
  void step(std::size_t cost, Time now);

  /// Grows with each name that is looked at and each netns that a sweep has done with: a sweep in which it stands still is stuck.
  [[nodiscard]] std::uint64_t progress() const { return progress_; }

  /// Those made since the last call, in order.
  [[nodiscard]] std::vector<Report> take_reports() { return std::exchange(reports_, {}); }

  [[nodiscard]] Overview overview(Time now) const;
  /// In byte order of the netns, then in write order; at most `cap`.
  [[nodiscard]] std::vector<Finding> findings(WhichSettings which, std::size_t cap) const;
  /// Values that are only exported, in the same order; those with the first `cap` numbers, none of them in part.
  [[nodiscard]] std::vector<Observed> observations(std::size_t cap) const;
  /// One for each netns and each policy that matches it, in byte order of the netns, then in file order: as many for a policy as
  /// overview() counts netns of it, and in sum as many settings.
  [[nodiscard]] std::vector<NetnsDrift> drift_by_netns() const;
  /// Keys that some netns should have and none has, as the policies have them.
  [[nodiscard]] std::vector<KeyIndex> missing_everywhere() const { return census_.missing_everywhere(); }
  /// The settings of the netns with this label, as last looked at; null when no such netns is known.
  [[nodiscard]] const Resolution* resolution(std::string_view label) const;

  [[nodiscard]] std::vector<NamedNetns> known() const;

 private:
  void name_came(TrackedNetns& netns) override;
  void name_went(TrackedNetns& netns) override { replan(netns); }
  void netns_went(TrackedNetns& netns) override;
  void host_refused(const TrackedName& name) override { report_life(name.label, Report::Life::host_refused); }

  void report_life(const std::string& label, Report::Life life);
  void replan(TrackedNetns& netns);
  TrackedNetns* next_of_sweep();
  TrackedNetns* next_in_turn();
  void end_sweep();
  std::size_t visit(TrackedNetns& netns, Time now);
  bool bind_and_visit(TrackedNetns& netns, Report& report, Time now);
  bool bind(TrackedNetns& netns, Tier best, Report& report, Time now);
  void look_at_links(TrackedNetns& netns) const;
  [[nodiscard]] Source source_of(const TrackedNetns& netns, Report::Life life) const;
  void announce(TrackedNetns& netns, Report& report) const;
  [[nodiscard]] std::vector<const TrackedNetns*> in_order(WhichSettings which) const;

  std::shared_ptr<const PolicySet> policies_;
  Options options_;
  KeyCensus census_;
  NameTable names_;
  Binder binder_;
  VisitQueues queues_;
  AnnouncedLives announced_lives_;
  std::map<std::vector<PolicyIndex>, std::shared_ptr<const SharedPlan>> plans_;
  std::vector<Report> reports_;
  std::uint64_t sweep_ = 0;     // number of the last one
  std::size_t sweep_size_ = 0;  // of names_.netns() then; what came later was queued
  std::size_t sweep_done_ = 0;  // of these
  std::uint64_t progress_ = 0;
  bool sweeping_ = false;
  bool sweep_counted_ = true;    // the names of this sweep have been looked at
  bool sweep_has_turn_ = false;  // before what is queued
  bool links_trusted_ = false;
  bool started_ = false;  // the startup sweep is done
};

}  // namespace nswarden
