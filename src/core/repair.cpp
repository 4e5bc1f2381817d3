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
  const bool never_written = setting.state == State::unreadable && setting.error == EIO;
  if (setting.state != State::drifted && !never_written) return false;
  if (trace.stop || trace.tries == tries_a_visit) return false;
  const Trouble* trouble = setting.trouble.get();
  const bool backing_off = trouble != nullptr && setting.seen == trouble->stored_instead && context.now < trouble->retry_at;
  return trace.tries > 0 || !backing_off;
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
    if (!read_and_judge(context)) return false;
    if (!written) {
      trace.stop = true;
      const int error = written.error().code;
      trace.last = Attempt{planned.policy, planned.key, outcome_of(error), error};
      report.attempts.push_back(*trace.last);
    } else {
      conclude_write(next, trace, context, report);
    }
    if (trace.last && trace.last->outcome != Outcome::fixed) {
      auto& trouble = settings_[next].trouble;
      if (!trouble) trouble = std::make_unique<Trouble>();
      trouble->outcome = trace.last->outcome;
      trouble->error = trace.last->error;
    }
  }
}

/// The kernel took the value; what it made of it has just been read.
void GovernedNetns::conclude_write(std::size_t index, Trace& trace, const GovernedContext& context, Report& report) {
  const PlannedSetting& planned = plan_->plan.settings[index];
  SettingState& setting = settings_[index];
  const auto conclude = [&](Outcome outcome) {
    trace.last = Attempt{planned.policy, planned.key, outcome, 0};
    report.attempts.push_back(*trace.last);
  };
  if (setting.state == State::compliant) return conclude(Outcome::fixed);
  if (trace.tries < tries_a_visit) {
    trace.stored_instead = setting.seen;
    return;
  }
  if (setting.state != State::drifted || setting.seen != trace.stored_instead) return conclude(Outcome::failed);
  back_off(index, context);
  conclude(Outcome::clamped);
}

void GovernedNetns::tell_changes(const std::vector<Trace>& traces, Report& report) const {
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const Trace& trace = traces[i];
    const SettingState& setting = settings_[i];
    const bool was_wrong = trace.before && *trace.before != State::compliant;
    const bool found_wrong = trace.found != State::compliant;
    const bool wrong = setting.state != State::compliant;
    if (!was_wrong && !found_wrong && !wrong) continue;

    Change change;
    change.policy = plan_->plan.settings[i].policy;
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
    } else if (change.detected || other_value) {
      change.what = Change::What::drifted;
    } else if (other_trouble) {
      change.what = Change::What::not_repaired;
    } else {
      continue;
    }
    change.finding = finding(i, report.netns);
    if (change.what == Change::What::repaired && change.finding.want != redacted) {
      change.finding.have = normalised(trace.found_value);
    }
    report.changes.push_back(std::move(change));
  }
}

}  // namespace nswarden::core
