// SPDX-License-Identifier: Apache-2.0
// The heart: knows every name in the netns directories and every netns behind them, binds those that a policy matches, and
// visits them. Level-triggered: whatever woke the caller up, it calls touch, look_pending, list or begin_sweep, any of them at
// any time, in any order, twice or late, then step() while there is work(), and comes to the same state.
// Loop thread only. No clock: `now` is given, and only ever compared with an earlier `now`.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nswarden/base/damping.hpp>
#include <nswarden/engine/kernel.hpp>
#include <nswarden/engine/report.hpp>
#include <nswarden/policy/policy.hpp>

namespace nswarden {

/// What one look at one netns brought that is worth telling. Quiet looks make none.
struct Report {
  /// What became of the netns itself.
  enum class Life : std::uint8_t {
    unchanged,
    governed,      ///< bound for the first time in its life
    unmatched,     ///< entered for the first time in its life; no policy matches
    gone,          ///< its last name went, or it died
    host_refused,  ///< a name of the host's own netns; nothing is done there
    cannot_enter,  ///< `error` is new; its settings are unreadable
  };
  std::string netns;        ///< label, bytes
  std::uint64_t inode = 0;  ///< of its nsfs file
  Life life = Life::unchanged;
  Error error;
  Source source = Source::reconcile;
  std::vector<Change> changes;
  std::vector<Attempt> attempts;
  std::uint64_t cookie = 0;  ///< of its life, 0 where the kernel has none
  std::vector<Overwritten> overwritten;
  /// Policies that match it for the first time in its life, ascending: its commands are due. Never because of a reload.
  std::vector<PolicyIndex> newly_matched;
  /// Set when a drift that a write told of was repaired: when that write was read.
  std::optional<Time> write_seen;
  /// Set when all settings of a netns are right for the first time in its life: when its entry was first seen.
  std::optional<Time> first_seen;
};

/// Counts over all bound netns, all from one moment.
struct Overview {
  struct OfPolicy {
    std::size_t netns = 0;
    std::size_t settings = 0;
    std::size_t not_compliant = 0;
    std::size_t suspended = 0;
    std::size_t conflicts = 0;
  };
  std::vector<OfPolicy> policies;  ///< as in the PolicySet
  Totals totals;                   ///< without attempts
  std::size_t unmatched = 0;
  std::size_t pending = 0;
  std::size_t held_keys = 0;
  std::size_t directory_keys = 0;
  std::size_t transient_keys = 0;
  std::size_t observed = 0;  ///< numbers in values that are only exported
};

class SharedPlan;
class KeyCensus;
class AnnouncedLives;
struct GovernedContext;

class Reconciler {
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
  ~Reconciler();
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  /// Governs by these from now on. What is known of settings that stay as they were is kept. A sweep should follow.
  void set_policies(std::shared_ptr<const PolicySet> policies, Time now);
  void damp_by(const DampingRules& rules) { options_.damping = rules; }
  [[nodiscard]] const PolicySet& policies() const { return *policies_; }

  /// Looks at one name again, and queues the netns that it leads to for a visit.
  void touch(std::uint16_t directory, std::string_view name, Time now);

  /// Somebody wrote a sysctl: the netns whose nsfs file has this inode number is visited before all else, unless that setting (index into
  /// the keys that it was bound with) is suspended and known to be wrong.
  void saw_write(std::uint64_t inode, std::size_t setting, Time now);
  /// Somebody wrote a sysctl of some netns, of which only the last component of its key is known: all netns that have one of
  /// that name are visited, after what is new and in turns with the sweep. `seen`: when that was.
  void saw_write_somewhere(std::string_view name, Time seen);

  /// Interfaces of the netns whose nsfs file has this inode number came, went or were renamed.
  void saw_links(std::uint64_t inode);
  /// Interfaces of any netns may have changed: each is looked at in its next visit.
  void lost_links();
  /// Whether all changes of interfaces of netns that were bound as `links_told` are told by saw_links() or lost_links(). If not, each
  /// sweep looks. It does so now and then in any case.
  void trust_links(bool told) { links_trusted_ = told; }

  /// A write that was handed over has ended; `error` is an errno, 0 when the kernel took it.
  void written(std::uint64_t inode, std::size_t setting, int error);

  /// Queues the netns whose suspended or failing settings may be tried again.
  void retry(Time now);
  /// When retry() is due; none while nothing waits for it.
  [[nodiscard]] std::optional<Time> retry_due() const;

  /// Looks again at the names that may become netns at any moment.
  void look_pending(Time now);
  /// When look_pending is due without any event; none while nothing is pending.
  [[nodiscard]] std::optional<Time> pending_due() const { return pending_due_; }

  /// Lists the directories: finds names that came, went, or (Detail::full) lead to another netns than before. The failures are of
  /// directories whose names stay as they were known. What is to be looked at for it is done by step().
  std::vector<Listing::Failure> list(NetnsCatalog::Detail detail, Time now);

  /// A sweep visits every netns; the first one is the startup sweep. list() goes with it, before or after.
  void begin_sweep();
  [[nodiscard]] bool sweeping() const { return sweeping_; }

  /// Whether step() has anything to do: netns that are queued, names to look at, or a sweep that is not done.
  [[nodiscard]] bool work() const { return sweeping_ || to_look_.size() > looked_ || queued() || !queues_[unsure].empty(); }
  /// Whether a netns in which somebody wrote waits for its visit.
  [[nodiscard]] bool urgent() const { return !queues_[written_to].empty(); }
  /// Visits what was written to, looks at names, visits what is new, in turns with the sweep, until about `cost` keys have been
  /// read; at least one netns or name.
  void step(std::size_t cost, Time now);

  /// Grows with each name that is looked at and each netns that a sweep has done with: a sweep in which it stands still is stuck.
  [[nodiscard]] std::uint64_t progress() const { return progress_; }

  /// What came to light since the last call, in order.
  [[nodiscard]] std::vector<Report> take_reports() { return std::exchange(reports_, {}); }

  [[nodiscard]] Overview overview(Time now) const;
  enum class Which : std::uint8_t { not_compliant, all };
  /// In byte order of the netns, then in write order; at most `cap`.
  [[nodiscard]] std::vector<Finding> findings(Which which, std::size_t cap) const;
  /// Values that are only exported, in the same order; those with the first `cap` numbers, none of them in part.
  [[nodiscard]] std::vector<Observed> observations(std::size_t cap) const;
  /// One for each netns and each policy that matches it, in byte order of the netns, then in file order: as many for a policy as
  /// overview() counts netns of it, and in sum as many settings.
  [[nodiscard]] std::vector<NetnsDrift> drift_by_netns() const;
  /// Keys that some netns should have and none has, as the policies have them.
  [[nodiscard]] std::vector<KeyIndex> missing_everywhere() const;
  /// What the policies come to in the netns with this label, as last looked at; null when no such netns is known.
  [[nodiscard]] const Resolution* resolution(std::string_view label) const;

  /// A netns that was bound, and a name of it.
  struct Known {
    NetnsId id;
    std::uint16_t directory = 0;
    std::string name;
    std::string label;
    std::vector<PolicyIndex> matched;
    const Resolution* resolution = nullptr;  ///< never null; until the next step() or set_policies()
  };
  [[nodiscard]] std::vector<Known> known() const;

 private:
  struct Name;
  struct Netns;
  struct NameHash;
  using Names = std::unordered_map<std::string, std::unique_ptr<Name>, NameHash, std::equal_to<>>;

  void look_again(const Entry& listed, Time now);
  Name& name_of(std::uint16_t directory, std::string_view name, Time now);
  void place(Name& name, const Entry& entry, Time now);
  void attach(Name& name, std::uint64_t inode, Time first_seen);
  void detach(Name& name, Time now);
  void drop(Netns& netns);
  void replan(Netns& netns, Time now);
  void enqueue(Netns& netns, std::size_t queue);
  [[nodiscard]] bool queued() const { return !queues_[written_to].empty() || !queues_[fresh].empty(); }
  Netns* next_queued(std::size_t last_queue);
  Netns* next_of_sweep();
  Netns* next_in_turn();
  void wait_for_retry(Netns& netns);
  void unbind(Netns& netns);
  bool bind(Netns& netns, Tier best, Report& report, Time now);
  bool drop_strays(Netns& netns, Time now);
  void take(Netns& netns, Binding binding, Tier tier, Report& report, Time now);
  void refuse(Name& name, Refusal refusal, Time now);
  void announce(Netns& netns, Report& report) const;
  [[nodiscard]] Source source_of(const Netns& netns, Report::Life life) const;
  std::size_t visit(Netns& netns, Time now);
  [[nodiscard]] static std::size_t held_above_reserve(const Netns& netns);
  [[nodiscard]] Tier best_tier(const Netns& netns) const;
  [[nodiscard]] bool better_elsewhere(const Netns& netns) const;
  GovernedContext context(Time now) const;
  [[nodiscard]] std::vector<const Netns*> in_order(Which which) const;
  void see_to_links(Netns& netns) const;
  void count_fds(Netns& netns);

  NetnsCatalog& catalog_;
  std::shared_ptr<const PolicySet> policies_;
  Options options_;
  std::unique_ptr<KeyCensus> census_;
  std::unique_ptr<AnnouncedLives> announced_lives_;
  std::map<std::vector<PolicyIndex>, std::shared_ptr<const SharedPlan>> plans_;
  std::vector<Names> names_;                   // by directory
  std::vector<std::unique_ptr<Netns>> netns_;  // null where one has gone, until the next sweep begins
  std::unordered_map<std::uint64_t, Netns*> by_inode_;
  // What to visit first: where somebody wrote, what is new or due, and what may have been written to.
  enum Queue : std::size_t { written_to, fresh, unsure, none };
  std::array<std::deque<Netns*>, none> queues_;
  std::vector<Entry> to_look_;  // by the last listing
  std::size_t looked_ = 0;      // of these
  std::set<std::pair<Time, Netns*>> retries_;
  std::vector<Report> reports_;
  std::optional<Time> pending_due_;
  bool sweep_counted_ = true;   // the names of this sweep have been looked at
  std::size_t sweep_size_ = 0;  // of netns_ then; what came later was queued
  std::size_t sweep_done_ = 0;  // of these
  std::uint64_t progress_ = 0;
  bool sweeping_ = false;
  bool sweep_has_turn_ = false;  // before what is queued
  bool links_trusted_ = false;
  bool started_ = false;          // the startup sweep is done
  std::uint64_t listing_ = 0;     // number of the last one
  std::uint64_t sweep_ = 0;       // likewise
  std::size_t reserved_fds_ = 0;  // what all would hold in Tier::directories
  std::size_t extra_fds_ = 0;     // what those in Tier::held hold above that
};

}  // namespace nswarden
