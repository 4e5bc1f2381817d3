// SPDX-License-Identifier: Apache-2.0
#include "engine/repair_history.hpp"

#include <algorithm>

namespace nswarden {
namespace {

// A value that does not stay is not written for ever (kernel fact 28), and yet the cause may go away.
constexpr std::chrono::seconds first_retry_delay{60};
constexpr std::chrono::seconds last_retry_delay{3600};
// A write that fails is made again sooner, since the cause is seldom there to stay.
constexpr std::chrono::seconds first_failure_delay{1};
constexpr std::chrono::seconds last_failure_delay{300};

}  // namespace

bool RepairHistory::may_write(std::string_view seen, Time now, bool by_others) const {
  if (damping && !damping->may_write(now)) return false;
  if (!trouble || now >= trouble->retry_at) return true;
  // Where another process writes, it need not be the kernel that makes this of our value; the damping bounds what it costs.
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
