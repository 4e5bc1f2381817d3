// SPDX-License-Identifier: Apache-2.0
// Restoring in the daemon: keeps the book of values changed by policies with `restore`, and restores those that no such policy
// wants any more. Level-triggered: after a sweep it compares the book with the resolved policies of each netns, so that it
// makes no difference whether a policy was removed by a reload, while no daemon ran, or because a netns was renamed. Loop
// thread only.
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
  /// Of the real kernel, or fakes.
  struct Parts {
    NetnsCatalog& catalog;  ///< its own, which writes synchronously, registers nothing and serves all kinds of names
    std::chrono::nanoseconds tick{0};
    Log& log;
  };
  /// Loads the saved book.
  Restorer(const RestoreOptions& options, Parts parts);

  /// Records the values that the report lists as overwritten. `policies` are those that the report was made under.
  void record_overwritten(const Report& report, const PolicySet& policies);

  /// Entries found due may no longer be due: drops them, and searches again after the next sweep.
  void policies_changed();
  /// Finds the due entries after a sweep, when every netns that can be bound is bound, and its globs are resolved.
  void find_due(const Reconciler& reconciler, Time now);

  /// Whether step() has anything to do.
  [[nodiscard]] bool work() const { return !queue_.empty(); }
  /// Restores the due values of one netns, and queues that netns for a visit.
  void step(Reconciler& reconciler, Time now);

  /// Saves the book if it has changed and the last save is long enough ago.
  void save_if_due(Time now);
  /// When save_if_due() has something to do.
  [[nodiscard]] std::optional<Time> next_due() const;
  /// Saves a changed book immediately, for the shutdown.
  void save();

  [[nodiscard]] const RestoreBook& book() const { return book_; }

 private:
  struct Due {
    NetnsPlace place;
    std::string label;
    std::vector<RestoreBook::Entry> entries;
  };
  void find_due_elsewhere(const Reconciler& reconciler, const std::set<std::uint64_t>& inodes);
  [[nodiscard]] std::vector<RestoreBook::Entry> still_recorded(Due& due) const;
  void conclude(const Due& due, const Restored& result);
  void log(const Due& due, const Restored& result);
  void log_totals();

  Parts parts_;
  bool active_ = true;
  RestoreFile store_;
  RestoreBook book_;
  std::deque<Due> queue_;
  std::set<std::pair<std::uint64_t, Key>> failures_logged_;  // by cookie
  std::array<std::size_t, 5> totals_{};                      // by `Restored::Kind`, since the queue was empty
  bool search_requested_ = true;
  Time next_search_{};
  std::uint64_t saved_ = 0;  // revision of the book
  Time next_save_{};
  std::string problem_logged_;
};

}  // namespace nswarden
