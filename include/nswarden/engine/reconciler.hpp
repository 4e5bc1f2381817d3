// SPDX-License-Identifier: Apache-2.0
// Tracks every name in the netns directories and every netns behind them, binds the netns that a policy matches, and visits
// them. Level-triggered: the caller may call touch, check_pending, list or begin_sweep at any time, in any order, twice or
// late, then step() while there is work(), and always reaches the same state.
// Loop thread only. Has no clock: the caller passes `now`, which is only compared with earlier values.
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
    std::size_t fd_budget = 0;  ///< limit of fds held by all bound netns
    bool write = true;          ///< false: never write, regardless of the policies
    /// Replaces a reconciler whose state was lost: netns found by its first sweep are not new, and their commands are not due.
    bool resumed = false;
    DampingRules damping{};
    std::chrono::nanoseconds tick{0};  ///< the kernel's tick, to which it rounds some values
  };
  Reconciler(NetnsCatalog& catalog, std::shared_ptr<const PolicySet> policies, Options options);
  ~Reconciler() = default;
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  /// Replaces the policies. Keeps the judgements of unchanged settings. A sweep should follow.
  void set_policies(std::shared_ptr<const PolicySet> policies);
  void damp_by(const DampingRules& rules) { options_.damping = rules; }
  [[nodiscard]] const PolicySet& policies() const { return *policies_; }

  /// Checks one name again, and queues its netns for a visit.
  void touch(std::uint16_t directory, std::string_view name, Time now);

  /// Another process wrote a sysctl. Queues the netns with this nsfs inode number before all others, unless that setting (index
  /// into the keys that it was bound with) is suspended and known to be drifted.
  void on_write(std::uint64_t inode, std::size_t setting, Time now);
  /// Another process wrote a sysctl of an unknown netns; only the last component of its key is known. Queues all netns with a
  /// key of that name, after new netns and in turns with the sweep. `seen`: when the write was seen.
  void on_unplaced_write(std::string_view name, Time seen);

  /// Interfaces of the netns with this nsfs inode number were added, removed or renamed.
  void on_links_changed(std::uint64_t inode);
  /// Interfaces of any netns may have changed: the next visit of each netns checks them.
  void on_links_lost();
  /// Whether on_links_changed() or on_links_lost() reports all interface changes of netns that were bound as `links_followed`.
  /// If not, each sweep checks the interfaces. Some sweeps check them in any case.
  void set_link_reports_complete(bool complete) { link_reports_complete_ = complete; }

  /// A handed-over write has ended; `error` is an errno, 0 when the kernel took the value.
  void written(std::uint64_t inode, std::size_t setting, int error);

  /// Queues the netns whose suspended or failing settings may be retried.
  void retry(Time now) { queues_.add_due(now); }
  /// When retry() is due; empty while nothing waits for it.
  [[nodiscard]] std::optional<Time> retry_due() const { return queues_.due(); }

  /// Checks the names again that may become netns at any moment.
  void check_pending(Time now);
  /// When check_pending() is due without an event; empty while no name is pending.
  [[nodiscard]] std::optional<Time> pending_due() const { return names_.pending_due(); }

  /// Lists the directories: finds names that appeared, disappeared, or (Detail::full) lead to another netns than before. step()
  /// makes the checks that follow. Returns the directories that failed; their names stay as they were known.
  std::vector<Listing::Failure> list(NetnsCatalog::Detail detail, Time now) { return names_.list(detail, now); }

  /// Begins a sweep, which visits every netns; the first one is the startup sweep. Call list() before or after it.
  void begin_sweep();
  [[nodiscard]] bool sweeping() const { return sweeping_; }

  /// Whether step() has work: queued netns, names to check, or an unfinished sweep.
  [[nodiscard]] bool work() const { return sweeping_ || names_.checks_due() || !queues_.empty(); }
  /// Whether a netns that another process wrote to waits for its visit.
  [[nodiscard]] bool urgent() const { return !queues_.empty(VisitQueues::written_to); }
  /// Visits netns that were written to, checks names, and visits new netns in turns with the sweep, until about `cost` keys
  /// have been read; at least one netns or name.
  void step(std::size_t cost, Time now);

  /// Grows with each name checked and each netns finished by a sweep. A sweep without progress is stuck.
  [[nodiscard]] std::uint64_t progress() const { return progress_; }

  /// Returns the reports made since the last call, in order.
  [[nodiscard]] std::vector<Report> take_reports() { return std::exchange(reports_, {}); }

  [[nodiscard]] Overview overview(Time now) const;
  /// In byte order of the netns, then in write order; at most `cap`.
  [[nodiscard]] std::vector<Finding> findings(WhichSettings which, std::size_t cap) const;
  /// Values that are only exported, in the same order, with at most `cap` numbers in all; never a part of a value.
  [[nodiscard]] std::vector<Observed> observations(std::size_t cap) const;
  /// One for each netns and each policy that matches it, in byte order of the netns, then in file order. For each policy,
  /// overview() counts as many netns as there are entries, and as many non-compliant settings as they add up to.
  [[nodiscard]] std::vector<NetnsDrift> drift_by_netns() const;
  /// Keys that some netns should have and none has, as written in the policies.
  [[nodiscard]] std::vector<KeyIndex> missing_everywhere() const { return census_.missing_everywhere(); }
  /// The settings of the netns with this label, as of its last check; null for an unknown netns.
  [[nodiscard]] const Resolution* resolution(std::string_view label) const;

  [[nodiscard]] std::vector<NamedNetns> known() const;

 private:
  void name_added(TrackedNetns& netns) override;
  void name_removed(TrackedNetns& netns) override { replan(netns); }
  void netns_removed(TrackedNetns& netns) override;
  void host_refused(const TrackedName& name) override { report_life(name.label, Report::Life::host_refused); }

  void report_life(const std::string& label, Report::Life life);
  void replan(TrackedNetns& netns);
  TrackedNetns* next_of_sweep();
  TrackedNetns* next_in_turn();
  void end_sweep();
  std::size_t visit(TrackedNetns& netns, Time now);
  bool bind_and_visit(TrackedNetns& netns, Report& report, Time now);
  bool bind(TrackedNetns& netns, Tier best, Report& report, Time now);
  void recheck_links(TrackedNetns& netns) const;
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
  std::uint64_t sweep_ = 0;     // number of the last sweep
  std::size_t sweep_size_ = 0;  // of names_.netns() when counted; later netns are queued
  std::size_t sweep_done_ = 0;  // of these
  std::uint64_t progress_ = 0;
  bool sweeping_ = false;
  bool sweep_counted_ = true;    // the names of this sweep have been checked
  bool sweep_has_turn_ = false;  // before the queues
  bool link_reports_complete_ = false;
  bool started_ = false;  // the startup sweep is done
};

}  // namespace nswarden
