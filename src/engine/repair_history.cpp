// SPDX-License-Identifier: Apache-2.0
#include "engine/repair_history.hpp"

#include <algorithm>

namespace nswarden {
namespace {

// A value that does not stay is retried rarely (kernel fact 28), but not dropped, since the cause may disappear.
constexpr std::chrono::seconds first_retry_delay{60};
constexpr std::chrono::seconds last_retry_delay{3600};
// A failed write is retried sooner, since its cause is seldom permanent.
constexpr std::chrono::seconds first_failure_delay{1};
constexpr std::chrono::seconds last_failure_delay{300};

}  // namespace

bool RepairHistory::may_write(std::string_view seen, Time now, bool by_other_process) const {
  if (damping && !damping->may_write(now)) return false;
  if (!failure || now >= failure->retry_at) return true;
  // If another process writes, the kernel may not be the cause of the stored value; the damping bounds the cost.
  return failure->error == 0 && (by_other_process || suspended() || seen != failure->stored_instead);
}

void RepairHistory::refused(Outcome outcome, int error, Time now) {
  Failure& latest = ensure_failure();
  latest.outcome = outcome;
  latest.error = error;
  latest.delay = std::clamp(latest.delay * 2, first_failure_delay, last_failure_delay);
  latest.retry_at = now + latest.delay;
}

void RepairHistory::accepted(Outcome outcome, Time now, const DampingRules& rules) {
  if (!damping) damping = std::make_unique<Damping>();
  damping->repaired(now, rules);
  if (outcome == Outcome::fixed) return;
  ensure_failure().outcome = outcome;
  ensure_failure().error = 0;
}

void RepairHistory::back_off(std::string_view seen, Time now) {
  Failure& latest = ensure_failure();
  latest.stored_instead = seen;
  latest.delay = std::clamp(latest.delay * 2, first_retry_delay, last_retry_delay);
  latest.retry_at = now + latest.delay;
}

RepairHistory::Failure& RepairHistory::ensure_failure() {
  if (!failure) failure = std::make_unique<Failure>();
  return *failure;
}

}  // namespace nswarden
