// SPDX-License-Identifier: Apache-2.0
// The part of GovernedNetns that writes, and tells what changed.
#include <nswarden/policy/value.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "engine/governed_netns.hpp"
#include "engine/setting_trace.hpp"

namespace nswarden {
namespace {

constexpr int tries_a_visit = 2;
constexpr std::size_t most_writes_at_once = 64;
// After each write everything is read: with some 1 us a key, so much of one visit's time.
constexpr std::size_t most_keys_read_a_visit = 8192;
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
  if (!context.write || planned(index).mode != Mode::enforce) return false;
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

bool GovernedNetns::contradicted(std::size_t index) const {
  const std::int32_t by = settings_[index].undone_by;
  return by != nobody && settings_[static_cast<std::size_t>(by)].undone_by == static_cast<std::int32_t>(index);
}

/// Settings that `before` knows as right and that are wrong now, after a write for the setting `writer`: the kernel made that of
/// it (kernel fact 27). That is harmless where they can be set right again; two that undo each other would be written in turn for ever.
void GovernedNetns::note_undone(std::size_t writer, std::span<const std::optional<State>> before, std::vector<Trace>& traces,
                                const GovernedContext& context) {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    const bool undone = before[i] == State::compliant && settings_[i].state == State::drifted;
    if (!undone || i == writer || context.was_written_to(i) || planned(i).mode != Mode::enforce) continue;
    settings_[i].undone_by = static_cast<std::int32_t>(writer);
    if (!contradicted(i)) continue;
    traces[i].contradicted = true;
    traces[i].stop = true;
    back_off(i, context);
  }
}

/// By what this visit found.
void GovernedNetns::note_undone_by_slow_write(std::size_t writer, std::vector<Trace>& traces, const GovernedContext& context) {
  std::vector<std::optional<State>> before;
  before.reserve(traces.size());
  for (const Trace& trace : traces) before.push_back(trace.before);
  note_undone(writer, before, traces, context);
}

/// What to write before everything is read again: the first difference; or several, where all are keys of interfaces, which change no
/// others. Those that wait for RTNL do.
std::vector<std::size_t> GovernedNetns::next_writes(const std::vector<Trace>& traces, const GovernedContext& context) const {
  std::vector<std::size_t> writes;
  const auto changes_no_other = [&](std::size_t index) {
    return planned(index).key.write_rank() == WriteRank::conf_interface && !planned(index).key.waits_for_rtnl();
  };
  for (std::size_t i = 0; i < settings_.size() && writes.size() < most_writes_at_once; ++i) {
    if (!may_write(i, traces[i], context)) continue;
    if (!writes.empty() && !changes_no_other(i)) break;
    writes.push_back(i);
    if (!changes_no_other(i)) break;
  }
  return writes;
}

/// Writes differences, reads everything, and so on: a write can set other keys right or wrong (kernel fact 27), and a
/// write of what is there already is not harmless (fact 26). False when the netns went away meanwhile.
bool GovernedNetns::repair(const GovernedContext& context, std::vector<Trace>& traces, Report& report) {
  struct Written {
    std::size_t index = 0;
    std::string found;
    int error = 0;
  };
  for (std::size_t keys_read = 0;; keys_read += settings_.size()) {
    const std::vector<std::size_t> writes = next_writes(traces, context);
    if (writes.empty()) return true;
    // Others wait: what is left is for the next visit, which is due at once.
    more_ = keys_read >= most_keys_read_a_visit;
    if (more_) return true;
    std::vector<Written> written;
    for (const std::size_t next : writes) {
      Trace& trace = traces[next];
      ++trace.tries;
      std::string found = settings_[next].before_ours ? *settings_[next].before_ours : settings_[next].seen;
      const Result<BoundNetns::Write> result = netns_->write(next, *planned(next).setting->want.set());
      if (result && *result == BoundNetns::Write::handed_over) {
        // What comes of it may change the others too, so that all of them wait for it.
        const std::optional<Time> seen = context.write_seen ? context.write_seen : trace.write_seen;
        const bool by_somebody = context.was_written_to(next) || trace.by_somebody;
        slow_write_ = SlowWrite{next, trace.tries, trace.stored_instead, report.source, found, seen, by_somebody, std::nullopt};
        return true;
      }
      if (!result && result.error().code == EAGAIN) {
        busy_ = true;
        return true;
      }
      written.push_back({next, std::move(found), result ? 0 : result.error().code});
    }
    std::vector<std::optional<State>> before;
    before.reserve(settings_.size());
    std::vector<std::string> values_before;
    values_before.reserve(settings_.size());
    for (const SettingState& setting : settings_) {
      before.push_back(setting.state);
      values_before.push_back(setting.seen);
    }
    if (!read_and_judge(context)) return false;
    for (const Written& one : written) {
      if (one.error != 0) {
        fail(one.index, traces[one.index], one.error, context, report);
        continue;
      }
      if (written.size() == 1) {
        note_undone(one.index, before, traces, context);
        keep_changed_by_us(one.index, values_before, context);
      }
      conclude_write(one.index, traces[one.index], context, report);
      keep_overwritten(one.index, one.found, traces[one.index], report);
    }
  }
}

void GovernedNetns::fail(std::size_t index, Trace& trace, int error, const GovernedContext& context, Report& report) {
  trace.stop = true;
  trace.last = Attempt{planned(index).policy, planned(index).written, outcome_of(error), error};
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
  note_undone_by_slow_write(slow.setting, traces, context);
  std::vector<std::string> values_before;
  values_before.reserve(traces.size());
  for (const Trace& other : traces) values_before.push_back(other.seen_before);
  keep_changed_by_us(slow.setting, values_before, context);
  conclude_write(slow.setting, trace, context, report);
  keep_overwritten(slow.setting, slow.found, trace, report);
}

bool GovernedNetns::restores(std::size_t index) const {
  return resolved_->shared->policies()->policies()[planned(index).policy].restore;
}

/// A write for one setting can change others (kernel fact 27), which are then set right by writes of their own: what these take
/// the place of is not what was there before us.
void GovernedNetns::keep_changed_by_us(std::size_t writer, std::span<const std::string> before,
                                       const GovernedContext& context) {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    SettingState& setting = settings_[i];
    const bool changed = setting.state == State::drifted && !before[i].empty() && setting.seen != before[i];
    if (!changed || i == writer || setting.before_ours || context.was_written_to(i) || !restores(i)) continue;
    setting.before_ours = std::make_unique<std::string>(before[i]);
  }
}

/// What is to be put back when a policy that restores goes away. What did not stay may be somebody else's doing.
void GovernedNetns::keep_overwritten(std::size_t index, const std::string& found, const Trace& trace, Report& report) {
  if (!restores(index)) return;
  SettingState& setting = settings_[index];
  const bool stayed = setting.state == State::compliant || (trace.last && trace.last->outcome == Outcome::clamped);
  if (!stayed) {
    if (!setting.before_ours) setting.before_ours = std::make_unique<std::string>(found);
    return;
  }
  report.overwritten.push_back({planned(index).key, planned(index).policy, normalised(found), normalised(setting.seen)});
  setting.before_ours.reset();
}

/// The kernel took the value; what it made of it has just been read.
void GovernedNetns::conclude_write(std::size_t index, Trace& trace, const GovernedContext& context, Report& report) {
  SettingState& setting = settings_[index];
  const auto conclude = [&](Outcome outcome) {
    trace.last = Attempt{planned(index).policy, planned(index).written, outcome, 0};
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

void GovernedNetns::tell_changes(const std::vector<Trace>& traces, const GovernedContext& context, Report& report) {
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const Trace& trace = traces[i];
    SettingState& setting = settings_[i];
    const bool was_wrong = trace.before && *trace.before != State::compliant;
    const bool found_wrong = trace.found != State::compliant;
    const bool wrong = setting.state != State::compliant;
    Change change;
    change.policy = planned(i).policy;
    change.written = planned(i).written;
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
    if (trace.contradicted && !setting.contradiction_told) {
      change.what = Change::What::contradicted;
      change.other = planned(static_cast<std::size_t>(setting.undone_by)).key.name();
    } else if (!wrong) {
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
    setting.contradiction_told = setting.contradiction_told || change.what == Change::What::contradicted;
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

}  // namespace nswarden
