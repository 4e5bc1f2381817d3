// SPDX-License-Identifier: Apache-2.0
// Binds netns by their names, within the budget of file descriptors: each is sure of its directory fds before any may hold all its
// keys (kernel fact 20). Has names looked at again that lead elsewhere by now; reports nothing.
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
    first,    ///< bound, for the first time in its life
    again,    ///< bound, as before in its life
    elusive,  ///< not bound: its names come and go faster than they are looked at
    gone,     ///< none of its names leads to it any more; it is deleted
  };
  /// In `best` or a worse tier. Error: it cannot be entered.
  Result<End> bind(TrackedNetns& netns, Tier best, Time now);
  void unbind(TrackedNetns& netns);

  /// For the plan that it has now.
  void reserve(TrackedNetns& netns);
  /// It is deleted.
  void release(TrackedNetns& netns);
  /// Its globs may stand for more or fewer keys than before.
  void recount(TrackedNetns& netns);

  /// Whether the budget asks for another tier than the one it has.
  [[nodiscard]] bool should_rebind(const TrackedNetns& netns) const;
  /// Whether it holds its keys and may not any more.
  [[nodiscard]] bool holds_too_much(const TrackedNetns& netns) const;

 private:
  BindResult bind_by(const TrackedName& name, Tier& tier);
  bool drop_strays(TrackedNetns& netns, Time now);
  [[nodiscard]] static std::size_t above_reserve(const TrackedNetns& netns);
  [[nodiscard]] Tier best_tier(const TrackedNetns& netns) const;

  NetnsCatalog& catalog_;
  NameTable& names_;
  std::size_t fd_budget_;
  std::size_t reserved_ = 0;  // fds that all would hold in Tier::directories
  std::size_t extra_ = 0;     // fds that those in Tier::held hold above that
};

}  // namespace nswarden
