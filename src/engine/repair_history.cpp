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

bool RepairHistory::may_write(std::string_view seen, Time now, bool by_others) const {
  if (damping && !damping->may_write(now)) return false;
  if (!trouble || now >= trouble->retry_at) return true;
  // If another process writes, the kernel may not be the cause of the stored value; the damping bounds the cost.
  return trouble->error == 0 && (by_others || suspended() || seen != trouble->stored_instead);
}

void RepairHistory::refused(Outcome outcome, int error, Time now) {
  Trouble& made = made_trouble();
  made.outcome = outcome;
  made.error = error;
  made.delay = std::clamp(made.delay * 2, first_failure_delay, last_failure_delay);
  made.retry_at = now + made.delay;
}

void RepairHistory::taken(Outcome outcome, Time now, const DampingRules& rules) {
  if (!damping) damping = std::make_unique<Damping>();
  damping->repaired(now, rules);
  if (outcome == Outcome::fixed) return;
  made_trouble().outcome = outcome;
  made_trouble().error = 0;
}

void RepairHistory::back_off(std::string_view seen, Time now) {
  Trouble& made = made_trouble();
  made.stored_instead = seen;
  made.delay = std::clamp(made.delay * 2, first_retry_delay, last_retry_delay);
  made.retry_at = now + made.delay;
}

RepairHistory::Trouble& RepairHistory::made_trouble() {
  if (!trouble) trouble = std::make_unique<Trouble>();
  return *trouble;
}

}  // namespace nswarden
