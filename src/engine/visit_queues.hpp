// SPDX-License-Identifier: Apache-2.0
// Netns to visit besides the sweep, in order: those in the queues now, and later those that are due again. Each netns waits in
// at most one queue. Loop thread only; for the reconciler.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "engine/name_table.hpp"

namespace nswarden {

class VisitQueues {
 public:
  /// In order of priority.
  enum Queue : std::size_t {
    written_to,        ///< another process wrote there
    fresh,             ///< new, or due again
    maybe_written_to,  ///< may have been written to
  };

  /// If it already waits in a later queue, next() skips its entry there.
  void add(TrackedNetns& netns, Queue queue) {
    if (queue >= netns.queue) return;
    netns.queue = queue;
    queues_[queue].push_back(&netns);
  }
  [[nodiscard]] bool empty(Queue queue) const { return queues_[queue].empty(); }
  [[nodiscard]] bool empty() const { return empty(written_to) && empty(fresh) && empty(maybe_written_to); }

  /// Takes the next netns of the queues up to `last`; null if they are empty.
  TrackedNetns* next(Queue last) {
    for (std::size_t queue = 0; queue <= last; ++queue) {
      while (!queues_[queue].empty()) {
        TrackedNetns* const next = queues_[queue].front();
        queues_[queue].pop_front();
        if (next->queue != queue) continue;
        next->queue = TrackedNetns::not_queued;
        return next;
      }
    }
    return nullptr;
  }

  /// The netns is due again at `at`; with nullopt, only an event makes it due.
  void wait(TrackedNetns& netns, std::optional<Time> at) {
    if (at == netns.retry_at) return;
    if (netns.retry_at) retries_.erase({*netns.retry_at, &netns});
    if (at) retries_.emplace(*at, &netns);
    netns.retry_at = at;
  }
  /// Queues the netns that are due by now.
  void add_due(Time now) {
    while (!retries_.empty() && retries_.begin()->first <= now) {
      TrackedNetns& netns = *retries_.begin()->second;
      wait(netns, std::nullopt);
      add(netns, fresh);
    }
  }
  /// When add_due() queues the next netns.
  [[nodiscard]] std::optional<Time> due() const {
    return retries_.empty() ? std::nullopt : std::optional(retries_.begin()->first);
  }

  void remove(TrackedNetns& netns) {
    for (auto& queue : queues_) std::erase(queue, &netns);
    wait(netns, std::nullopt);
  }

 private:
  std::array<std::deque<TrackedNetns*>, 3> queues_;
  std::set<std::pair<Time, TrackedNetns*>> retries_;
};

}  // namespace nswarden
