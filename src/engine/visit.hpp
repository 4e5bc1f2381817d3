// SPDX-License-Identifier: Apache-2.0
// One visit to one bound netns: reads all its keys, judges them, writes the first difference, reads all keys again, and repeats
// until nothing is left to write; then it reports. Only this class decides about writes, for every reason to visit.
// Loop thread only; GovernedNetns makes one for each visit. A visit that finds no change allocates nothing.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/engine/kernel.hpp>
#include <nswarden/engine/report.hpp>
#include "engine/judged_settings.hpp"

namespace nswarden {

struct VisitContext {
  const DampingRules& damping;
  std::chrono::nanoseconds tick{0};  ///< the kernel's
  bool write = true;                 ///< false: never write, regardless of the policies
  Time now;
  std::optional<Time> write_seen{};           ///< of the write that led to this visit
  std::span<const std::size_t> written_to{};  ///< settings that other processes were seen to write since the last visit

  [[nodiscard]] bool was_written_to(std::size_t setting) const {
    return std::find(written_to.begin(), written_to.end(), setting) != written_to.end();
  }
};

/// A write that another thread makes; until it ends, nothing else is written to its netns.
struct SlowWrite {
  std::size_t setting = 0;
  int tries = 0;
  std::string stored_instead;
  Source source = Source::reconcile;
  std::string found;  ///< before it
  std::optional<Time> write_seen;
  bool by_other_process = false;  ///< another process had caused the drift
  std::optional<int> error;       ///< once it has ended; 0 when the kernel took it

  [[nodiscard]] bool ended() const { return error.has_value(); }
};

/// State that a netns keeps between visits, besides its settings.
struct VisitMemory {
  Time first_seen;             ///< when its entry was first seen, or its life began
  bool fresh = false;          ///< bound since the last visit, so bind() has just searched for missing keys
  bool globs_due = false;      ///< the next visit has to check which keys the globs match
  bool was_compliant = false;  ///< all settings at the same time, once in its life
  std::optional<SlowWrite> slow_write{};
  std::optional<Time> retry_at{};           ///< when the next visit has something to do without an event
  std::chrono::milliseconds busy_delay{0};  ///< after the last visit, if it could not hand over a write
  Time repairs_forgotten_at = Time::max();  ///< when the damping of settings that are not suspended has ended
};

class Visit {
 public:
  /// All arguments must outlive it. `netns` is bound with the plan of `settings`.
  Visit(BoundNetns& netns, JudgedSettings& settings, VisitMemory& memory, const VisitContext& context, Report& report)
      : netns_(netns), settings_(settings), memory_(memory), context_(context), report_(report) {}

  enum class End : std::uint8_t {
    done,
    more,  ///< the time did not suffice for all writes: the next visit is due soon
  };
  /// Call once. After an error, bind again before another visit: ESTALE when the netns or an interface is gone; otherwise the
  /// reason why the search for keys failed, for example a lack of fds or memory. Earlier findings and writes are reported all
  /// the same.
  Result<End> make();

 private:
  struct Before {
    std::optional<State> state;
    std::string seen;
  };
  struct Written {
    std::size_t setting = 0;
    std::string found;  // before it
    int error = 0;      // 0: the kernel took it
  };

  Result<void> read_all();
  Result<std::shared_ptr<const ResolvedPlan>> adopt_present_keys();
  void judge_all();
  void note_fights();
  Result<void> repair();
  [[nodiscard]] std::vector<std::size_t> next_writes() const;
  [[nodiscard]] bool may_write(std::size_t index) const;
  std::optional<std::vector<Written>> write(const std::vector<std::size_t>& settings);
  void conclude_slow_write();
  void conclude(const Written& write, std::span<const Before> before);
  void conclude_accepted(std::size_t index);
  void note_undone(std::size_t writer, std::span<const Before> before);
  void keep_side_effects(std::size_t writer, std::span<const Before> before);
  void keep_overwritten(const Written& write);
  void end_attempt(std::size_t index, Outcome outcome, int error);
  void forget_old_repairs();
  void plan_next_visit();

  BoundNetns& netns_;
  JudgedSettings& settings_;
  VisitMemory& memory_;
  VisitContext context_;
  Report& report_;
  std::span<const Reading> readings_;  // of all keys, as first read
  std::vector<SettingTrace> traces_;   // as settings_
  bool more_ = false;
  bool busy_ = false;  // a write could neither be made nor handed over
};

}  // namespace nswarden
