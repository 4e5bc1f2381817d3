// SPDX-License-Identifier: Apache-2.0
// The part of GovernedNetns that writes, and tells what changed.
#include <nswarden/core/value.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/governed_netns.hpp"
#include "core/visit_trace.hpp"

namespace nswarden::core {
namespace {

constexpr int tries_a_visit = 2;
// A value that does not stay is not written for ever (kernel fact 28), and yet what changes it may go away.
constexpr std::chrono::seconds first_retry_delay{60};
constexpr std::chrono::seconds last_retry_delay{3600};
// A write that fails is made again sooner: what refuses it is seldom there to stay.
constexpr std::chrono::seconds first_failure_delay{1};
constexpr std::chrono::seconds last_failure_delay{300};
// Of thousands of netns that wait for the same thread, say.
constexpr std::chrono::milliseconds first_busy_delay{20};
constexpr std::chrono::milliseconds last_busy_delay{1280};

Outcome outcome_of(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS: return Outcome::refused;
    case EINVAL:
    case ERANGE: return Outcome::rejected;
    default: return Outcome::failed;
  }
}

}  // namespace

bool GovernedNetns::may_write(std::size_t index, const Trace& trace, const GovernedContext& context) const {
  const SettingState& setting = settings_[index];
  if (!context.write || plan_->plan.settings[index].mode != Mode::enforce) return false;
  // stable_secret gives EIO until it is written for the first time (kernel fact 29).
  if (slow_write_ && !slow_write_->error) return false;
  const bool never_written = setting.state == State::unreadable && setting.error == EIO;
  if (setting.state != State::drifted && !never_written) return false;
  if (trace.stop || trace.tries == tries_a_visit) return false;
  if (trace.tries > 0) return true;
  if (setting.damping && !setting.damping->may_write(context.now)) return false;
  const Trouble* trouble = setting.trouble.get();
  if (trouble == nullptr || context.now >= trouble->retry_at) return true;
  // Where somebody writes, it need not be the kernel that makes this of our value; the damping bounds what it costs.
  return trouble->error == 0 && (context.was_written_to(index) || suspended(index) || setting.seen != trouble->stored_instead);
}

void GovernedNetns::back_off(std::size_t index, const GovernedContext& context) {
  SettingState& setting = settings_[index];
  if (!setting.trouble) setting.trouble = std::make_unique<Trouble>();
  Trouble& trouble = *setting.trouble;
  trouble.stored_instead = setting.seen;
  trouble.delay = std::clamp(trouble.delay * 2, first_retry_delay, last_retry_delay);
  trouble.retry_at = context.now + trouble.delay;
}

/// Two settings that undo each other through the kernel (kernel fact 27) would be written in turn by every visit.
void GovernedNetns::find_contradictions(const std::vector<Trace>& traces, const GovernedContext& context) {
  const auto exhausted = [](const Trace& trace) { return trace.tries == tries_a_visit; };
  if (std::count_if(traces.begin(), traces.end(), exhausted) < 2) return;
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const bool undone = exhausted(traces[i]) && traces[i].last && traces[i].last->outcome == Outcome::fixed;
    if (undone && settings_[i].state == State::drifted) back_off(i, context);
  }
}

/// Writes the first difference, reads everything, and so on: a write can set other keys right or wrong (kernel fact 27), and a
/// write of what is there already is not harmless (fact 26). False when the netns went away meanwhile.
bool GovernedNetns::repair(const GovernedContext& context, std::vector<Trace>& traces, Report& report) {
  for (;;) {
    std::size_t next = 0;
    while (next < settings_.size() && !may_write(next, traces[next], context)) ++next;
    if (next == settings_.size()) {
      find_contradictions(traces, context);
      return true;
    }
    const PlannedSetting& planned = plan_->plan.settings[next];
    Trace& trace = traces[next];
    ++trace.tries;
    const Result<BoundNetns::Write> written = netns_->write(next, planned.want);
    if (written && *written == BoundNetns::Write::handed_over) {
      // What comes of it may change the others too, so that all of them wait for it.
      const std::optional<Time> seen = context.write_seen ? context.write_seen : trace.write_seen;
      const bool by_somebody = context.was_written_to(next) || trace.by_somebody;
      slow_write_ = SlowWrite{next, trace.tries, trace.stored_instead, report.source, seen, by_somebody, std::nullopt};
      return true;
    }
    if (!written && written.error().code == EAGAIN) {
      busy_ = true;
      return true;
    }
    if (!read_and_judge(context)) return false;
    if (written) {
      conclude_write(next, trace, context, report);
    } else {
      fail(next, trace, written.error().code, context, report);
    }
  }
}

void GovernedNetns::fail(std::size_t index, Trace& trace, int error, const GovernedContext& context, Report& report) {
  const PlannedSetting& planned = plan_->plan.settings[index];
  trace.stop = true;
  trace.last = Attempt{planned.policy, planned.key, outcome_of(error), error};
  report.attempts.push_back(*trace.last);
  auto& trouble = settings_[index].trouble;
  if (!trouble) trouble = std::make_unique<Trouble>();
  trouble->outcome = trace.last->outcome;
  trouble->error = error;
  trouble->delay = std::clamp(trouble->delay * 2, first_failure_delay, last_failure_delay);
  trouble->retry_at = context.now + trouble->delay;
}

/// The write that another thread made, if it has ended: as if this visit had made it.
void GovernedNetns::conclude_slow_write(std::vector<Trace>& traces, const GovernedContext& context, Report& report) {
  if (!slow_write_ || !slow_write_->error) return;
  const SlowWrite slow = *std::exchange(slow_write_, std::nullopt);
  Trace& trace = traces[slow.setting];
  trace.tries = slow.tries;
  trace.stored_instead = slow.stored_instead;
  if (report.source == Source::reconcile) report.source = slow.source;
  trace.write_seen = slow.write_seen;
  trace.by_somebody = slow.by_somebody;
  if (*slow.error != 0) return fail(slow.setting, trace, *slow.error, context, report);
  conclude_write(slow.setting, trace, context, report);
}

/// The kernel took the value; what it made of it has just been read.
void GovernedNetns::conclude_write(std::size_t index, Trace& trace, const GovernedContext& context, Report& report) {
  const PlannedSetting& planned = plan_->plan.settings[index];
  SettingState& setting = settings_[index];
  const auto conclude = [&](Outcome outcome) {
    trace.last = Attempt{planned.policy, planned.key, outcome, 0};
    report.attempts.push_back(*trace.last);
    if (!setting.damping) setting.damping = std::make_unique<Damping>();
    setting.damping->repaired(context.now, context.damping);
    if (outcome == Outcome::fixed) return;
    if (!setting.trouble) setting.trouble = std::make_unique<Trouble>();
    setting.trouble->outcome = outcome;
    setting.trouble->error = 0;
  };
  if (setting.state == State::compliant) return conclude(Outcome::fixed);
  if (trace.tries < tries_a_visit) {
    trace.stored_instead = setting.seen;
    return;
  }
  // Who writes in a tight loop looks like a kernel that clamps.
  const bool by_somebody =
      context.was_written_to(index) || trace.by_somebody || suspended(index) || setting.seen != trace.stored_instead;
  if (setting.state != State::drifted || by_somebody) return conclude(Outcome::failed);
  back_off(index, context);
  conclude(Outcome::clamped);
}

bool GovernedNetns::suspended(std::size_t index) const {
  return settings_[index].damping && settings_[index].damping->suspended();
}

/// What has just been read, as the dampings see it.
void GovernedNetns::note_fights(std::vector<Trace>& traces, const GovernedContext& context) {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (!settings_[i].damping) continue;
    Damping& damping = *settings_[i].damping;
    if (settings_[i].state == State::compliant) {
      traces[i].calms_down = damping.found_right(context.now, context.damping);
    } else {
      traces[i].becomes_suspended = damping.found_wrong(context.now, context.damping);
    }
  }
}

/// At the end of a visit: when is there something to do next?
void GovernedNetns::see_to_retries(const GovernedContext& context) {
  retry_at_.reset();
  repairs_forgotten_at_ = Time::max();
  // What was due by now and was not done, has another reason to wait.
  const auto at = [&](Time time) {
    if (time > context.now) retry_at_ = std::min(retry_at_.value_or(time), time);
  };
  busy_delay_ = busy_ ? std::clamp(busy_delay_ * 2, first_busy_delay, last_busy_delay) : std::chrono::milliseconds(0);
  if (std::exchange(busy_, false)) at(context.now + busy_delay_);
  for (const SettingState& setting : settings_) {
    if (setting.damping) {
      if (setting.state == State::compliant) (void)setting.damping->found_right(context.now, context.damping);
      if (setting.damping->suspended()) at(setting.damping->due(context.damping));
      repairs_forgotten_at_ = std::min(repairs_forgotten_at_, setting.damping->ends(context.damping));
    }
    if (setting.trouble && setting.trouble->error != 0 && setting.state != State::compliant) at(setting.trouble->retry_at);
  }
}

void GovernedNetns::forget_old_repairs(const GovernedContext& context) {
  repairs_forgotten_at_ = Time::max();
  for (SettingState& setting : settings_) {
    if (!setting.damping) continue;
    const Time ends = setting.damping->ends(context.damping);
    if (context.now >= ends) {
      setting.damping.reset();
    } else {
      repairs_forgotten_at_ = std::min(repairs_forgotten_at_, ends);
    }
  }
}

void GovernedNetns::tell_changes(const std::vector<Trace>& traces, const GovernedContext& context, Report& report) const {
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const Trace& trace = traces[i];
    const SettingState& setting = settings_[i];
    const bool was_wrong = trace.before && *trace.before != State::compliant;
    const bool found_wrong = trace.found != State::compliant;
    const bool wrong = setting.state != State::compliant;
    Change change;
    change.policy = plan_->plan.settings[i].policy;
    change.setting = static_cast<std::uint32_t>(i);
    if (trace.calms_down) {
      change.what = Change::What::calmed;
      change.finding = finding(i, report.netns);
      report.changes.push_back(change);
    }
    if (!was_wrong && !found_wrong && !wrong) continue;

    change.fought_over = suspended(i);
    change.detected = !was_wrong && (found_wrong || wrong);
    if (trace.last) {
      change.outcome = trace.last->outcome;
      change.error = trace.last->error;
      change.attempted = true;
      // A later write of ours undid this one: two settings contradict each other through the kernel (kernel fact 27).
      if (wrong && change.outcome == Outcome::fixed) change.outcome = Outcome::failed;
    }
    const bool other_value = trace.before != setting.state || trace.seen_before != setting.seen;
    const bool other_trouble = trace.last && wrong && trace.trouble_before != std::pair(change.outcome, change.error);
    if (!wrong) {
      change.what = trace.last ? Change::What::repaired : Change::What::recovered;
    } else if (trace.becomes_suspended) {
      change.what = Change::What::suspended;
      change.retry_in = setting.damping->delay();
    } else if (change.detected || (other_value && !change.fought_over)) {
      change.what = Change::What::drifted;
    } else if (other_trouble) {
      change.what = Change::What::not_repaired;
    } else {
      continue;
    }
    change.finding = finding(i, report.netns);
    if (change.what == Change::What::repaired) {
      // What another thread wrote was found wrong by the visit before.
      const bool found_before = trace.found == State::compliant;
      if (change.finding.want != redacted)
        change.finding.have = normalised(found_before ? trace.seen_before : trace.found_value);
      const std::optional<Time> seen = trace.write_seen ? trace.write_seen : context.write_seen;
      if (!report.write_seen) report.write_seen = seen;
    }
    report.changes.push_back(std::move(change));
  }
}

}  // namespace nswarden::core
