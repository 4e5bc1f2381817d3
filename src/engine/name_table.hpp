// SPDX-License-Identifier: Apache-2.0
// Every name in the netns directories and the netns that it leads to, by the inode numbers that the catalog sees. Checks names,
// and reports netns that appear or disappear to its listener; binds nothing.
// Loop thread only; owned by the reconciler. The binder asks it to check names again that lead elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include "engine/announced.hpp"
#include "engine/governed_netns.hpp"

namespace nswarden {

struct TrackedNetns;

struct TrackedName {
  // A name without a mount after this long is a stale file (Neutron leaves them). Every sweep and every change of the mount
  // table still check it, but it no longer counts as pending.
  static constexpr std::chrono::seconds pending_for{10};

  std::uint16_t directory = 0;
  std::string name;
  std::string label;
  NameKind source = NameKind::entry;
  EntryKind kind = EntryKind::absent;
  Time since;                        // when it became of this kind
  TrackedNetns* netns = nullptr;     // while it leads to one
  std::uint64_t listed = 0;          // number of the last listing that had it
  std::optional<Refusal> refused{};  // the last refusal

  [[nodiscard]] bool pending(Time now) const { return kind == EntryKind::placeholder && now - since < pending_for; }
};

/// A netns that a name leads to, with the data that each part of the reconciler keeps on it.
struct TrackedNetns {
  static constexpr std::size_t not_queued = std::numeric_limits<std::size_t>::max();

  GovernedNetns governed;
  std::size_t index = 0;              // into NameTable::netns()
  std::vector<TrackedName*> names{};  // never empty until removal; the first in byte order of the labels is shown

  // Of the binder:
  std::size_t reserved_fds = 0;  // for Tier::directories
  std::size_t extra_fds = 0;     // held in Tier::held beyond these
  bool links_followed = false;   // as in its binding

  // Of the queues:
  std::size_t queue = not_queued;  // the queue that it waits in
  std::optional<Time> retry_at{};  // when it is due

  // Of the reconciler:
  std::uint64_t swept = 0;                // number of the last sweep in which it was visited
  std::optional<Time> write_seen{};       // since its last visit
  std::vector<std::size_t> written_to{};  // settings, since then
  bool links_changed = false;             // since then
  bool reported = false;                  // its appearance has been reported
  AnnouncedPolicies announced{};

  [[nodiscard]] const std::string& label() const { return names.front()->label; }
};

class NameTable {
 public:
  class Listener {
   public:
    /// A name now leads to it. Even if it is the only name, the netns known by this inode number may have died, and this one
    /// may be its successor (kernel fact 4).
    virtual void name_added(TrackedNetns& netns) = 0;
    /// It lost a name, and still has others.
    virtual void name_removed(TrackedNetns& netns) = 0;
    /// Its last name, still present, is about to be removed; then the netns is deleted.
    virtual void netns_removed(TrackedNetns& netns) = 0;
    /// A name leads to the host's netns, and did not at its last refusal.
    virtual void host_refused(const TrackedName& name) = 0;

   protected:
    ~Listener() = default;
  };

  /// `census`: of the netns to be made. All arguments must outlive the table.
  NameTable(NetnsCatalog& catalog, KeyCensus& census, Listener& listener)
      : catalog_(catalog), census_(census), listener_(listener), names_(catalog.sources().size()) {}

  /// Checks one name again. Returns its netns, or null.
  TrackedNetns* touch(std::uint16_t directory, std::string_view name, Time now);
  /// Checks a name again. The name and its netns may be gone afterwards.
  void recheck(TrackedName& name, Time now);
  /// The netns cannot be bound by this name, because the name is not, not yet or no longer that of a netns. Both may be gone
  /// afterwards.
  void refuse(TrackedName& name, Refusal refusal, Time now);

  /// For Reconciler::list(). Names to be checked wait for check_next().
  std::vector<Listing::Failure> list(NetnsCatalog::Detail detail, Time now);
  [[nodiscard]] bool checks_due() const { return checked_ < to_check_.size(); }
  void check_next(Time now);

  /// Returns the names that may become netns at any moment, by source and text. pending_due() is empty until one of them is
  /// checked again.
  std::vector<std::pair<std::uint16_t, std::string>> take_pending(Time now);
  [[nodiscard]] std::optional<Time> pending_due() const { return pending_due_; }
  [[nodiscard]] std::size_t pending(Time now) const;

  /// Null in place of a removed netns, until compact().
  [[nodiscard]] std::span<const std::unique_ptr<TrackedNetns>> netns() const { return netns_; }
  [[nodiscard]] bool has(std::size_t index) const { return netns_[index] != nullptr; }
  /// Null for an unknown netns.
  [[nodiscard]] TrackedNetns* find(std::uint64_t inode) const;
  void compact();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Names = std::unordered_map<std::string, std::unique_ptr<TrackedName>, Hash, std::equal_to<>>;

  TrackedName& name_of(std::uint16_t directory, std::string_view name, Time now);
  void place(TrackedName& name, const Entry& entry, Time now);
  void attach(TrackedName& name, std::uint64_t inode, Time first_seen);
  void detach(TrackedName& name);

  NetnsCatalog& catalog_;
  KeyCensus& census_;
  Listener& listener_;
  std::vector<Names> names_;  // by directory
  std::vector<std::unique_ptr<TrackedNetns>> netns_;
  std::unordered_map<std::uint64_t, TrackedNetns*> by_inode_;
  std::vector<Entry> to_check_;  // from the last listing
  std::size_t checked_ = 0;      // of these
  std::uint64_t listing_ = 0;    // number of the last listing
  std::optional<Time> pending_due_;
};

}  // namespace nswarden
