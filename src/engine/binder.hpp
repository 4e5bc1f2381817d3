// SPDX-License-Identifier: Apache-2.0
// Binds netns by their names, within the budget of file descriptors: each netns gets its directory fds before any netns may
// hold all its keys (kernel fact 20). Has names that lead elsewhere checked again; makes no reports.
// Loop thread only; for the reconciler.
#pragma once

#include <cstddef>
#include <cstdint>

#include <nswarden/base/result.hpp>
#include <nswarden/engine/kernel.hpp>
#include "engine/name_table.hpp"

namespace nswarden {

class Binder {
 public:
  Binder(NetnsCatalog& catalog, NameTable& names, std::size_t fd_budget)
      : catalog_(catalog), names_(names), fd_budget_(fd_budget) {}

  enum class End : std::uint8_t {
    first,     ///< bound, for the first time in its life
    again,     ///< bound again in the same life
    unstable,  ///< not bound: its names change faster than they can be checked
    gone,      ///< no name leads to it any more; it is deleted
  };
  /// Binds in `best` or a worse tier. Error: the netns cannot be entered.
  Result<End> bind(TrackedNetns& netns, Tier best, Time now);
  void unbind(TrackedNetns& netns);

  /// Reserves the directory fds of the present plan.
  void reserve(TrackedNetns& netns);
  /// The netns is being deleted.
  void release(TrackedNetns& netns);
  /// The number of keys that its globs match may have changed.
  void recount(TrackedNetns& netns);

  /// Whether the budget calls for another tier than the present one.
  [[nodiscard]] bool should_rebind(const TrackedNetns& netns) const;
  /// Whether it holds its keys and no longer may.
  [[nodiscard]] bool exceeds_budget(const TrackedNetns& netns) const;

 private:
  BindResult bind_by(const TrackedName& name, Tier& tier);
  bool drop_strays(TrackedNetns& netns, Time now);
  [[nodiscard]] static std::size_t above_reserve(const TrackedNetns& netns);
  [[nodiscard]] Tier best_tier(const TrackedNetns& netns) const;

  NetnsCatalog& catalog_;
  NameTable& names_;
  std::size_t fd_budget_;
  std::size_t reserved_ = 0;  // fds that all netns would hold in Tier::directories
  std::size_t extra_ = 0;     // fds that netns in Tier::held hold above that
};

}  // namespace nswarden
