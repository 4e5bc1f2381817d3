// SPDX-License-Identifier: Apache-2.0
// Restoring in the daemon: keeps the book of what policies with `restore` changed, and puts back what no such policy wants any
// more. Level-triggered: after a sweep it compares the book with what the policies come to in each netns, so that it makes no
// difference whether a policy went by a reload, while no daemon ran, or because a netns was renamed. Loop thread only.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/restore/restore_file.hpp>
#include <nswarden/restore/restore_netns.hpp>
#include "restore/restore_book.hpp"

namespace nswarden {

struct RestoreOptions {
  std::optional<std::string> file;  ///< of RestoreFile
  bool audit = false;               ///< keeps no book and restores nothing
};

class Restorer {
 public:
  /// Of the real kernel, or not.
  struct Parts {
    NetnsCatalog& catalog;  ///< of its own: one that makes writes at once, registers nothing and serves all kinds of names
    std::chrono::nanoseconds tick{0};
    Log& log;
  };
  /// Reads the book that was kept.
  Restorer(const RestoreOptions& options, Parts parts);

  /// Takes note of what was overwritten. `policies` are those that the report was made under.
  void take(const Report& report, const PolicySet& policies);

  /// What was found to be due may not be any more: it is looked for again after the next sweep.
  void policies_changed();
  /// A sweep has ended: every netns that can be is bound, and its globs are resolved.
  void look(const Reconciler& reconciler, Time now);

  /// Whether step() has anything to do.
  [[nodiscard]] bool work() const { return !queue_.empty(); }
  /// Puts back what is due in one netns, and has that netns looked at again.
  void step(Reconciler& reconciler, Time now);

  /// Saves the book when it has changed and the last time is long enough ago.
  void save_if_due(Time now);
  /// When save_if_due() has something to do.
  [[nodiscard]] std::optional<Time> next_due() const;
  /// At the end.
  void save();

  [[nodiscard]] const RestoreBook& book() const { return book_; }

 private:
  struct Due {
    NetnsPlace place;
    std::string label;
    std::vector<RestoreBook::Entry> entries;
  };
  void look_beyond(const Reconciler& reconciler, const std::set<std::uint64_t>& inodes);
  [[nodiscard]] std::vector<RestoreBook::Entry> still_kept(Due& due) const;
  void conclude(const Due& due, const Restored& result);
  void log(const Due& due, const Restored& result);
  void log_sums();

  Parts parts_;
  bool active_ = true;
  RestoreFile store_;
  RestoreBook book_;
  std::deque<Due> queue_;
  std::set<std::pair<std::uint64_t, Key>> failures_logged_;  // by cookie
  std::array<std::size_t, 5> sums_{};                        // by Restored::What, since the queue was empty
  bool look_asked_ = true;
  Time next_look_{};
  std::uint64_t saved_ = 0;  // revision of the book
  Time next_save_{};
  std::string trouble_logged_;
};

}  // namespace nswarden
