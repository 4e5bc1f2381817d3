// SPDX-License-Identifier: Apache-2.0
#include "core/governed_netns.hpp"

#include <nswarden/core/value.hpp>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

namespace nswarden::core {
namespace {

constexpr int tries_a_visit = 2;
// A clamped value is not written for ever (kernel fact 28), and yet what clamps it may go away.
constexpr std::chrono::seconds first_clamp_delay{60};
constexpr std::chrono::seconds last_clamp_delay{3600};
constexpr std::string_view redacted = "redacted";

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

bool any_vanished(std::span<const Reading> readings) {
  return std::any_of(readings.begin(), readings.end(),
                     [](const Reading& reading) { return reading.status == Reading::Status::vanished; });
}

}  // namespace

/// What one visit does to one setting.
struct GovernedNetns::Trace {
  std::optional<State> before;
  std::string seen_before;
  State found = State::compliant;
  std::string found_value;
  int tries = 0;
  bool stop = false;            // no further write in this visit
  std::string stored_instead;   // by the last write
  std::optional<Attempt> last;  // attempt of this visit
  std::optional<std::pair<Outcome, int>> trouble_before;
};

void GovernedNetns::set_plan(std::shared_ptr<const SharedPlan> plan, const GovernedContext& context) {
  unbind();
  const bool same_keys = plan_ && plan_->policies == plan->policies;
  std::vector<SettingState> old = std::exchange(settings_, std::vector<SettingState>(plan->plan.settings.size()));
  const std::shared_ptr<const SharedPlan> old_plan = std::exchange(plan_, std::move(plan));
  not_compliant_ = 0;
  for (std::size_t i = 0; i < old.size(); ++i) {
    const PlannedSetting& was = old_plan->plan.settings[i];
    if (same_keys) context.census.moved(was.key, old[i].state, std::nullopt);
    const Key& key = old_plan->policies->keys()[was.key];
    for (std::size_t j = 0; j < settings_.size(); ++j) {
      const PlannedSetting& now = plan_->plan.settings[j];
      if (now.want != was.want || plan_->policies->keys()[now.key] != key) continue;
      const std::optional<State> state = std::exchange(old[i].state, std::nullopt);
      settings_[j] = std::move(old[i]);
      set_state(j, state, context);
      break;
    }
  }
}

bool GovernedNetns::bound_as(Binding binding, Tier tier, const GovernedContext& context) {
  const bool first = id_ != binding.id;
  // The kernel gave the inode number of a netns that died to a new one (kernel fact 4).
  const bool new_life = id_ && first;
  if (new_life) {
    forget(context);
    was_compliant_ = false;
    first_seen_ = context.now;
  }
  id_ = binding.id;
  netns_ = std::move(binding.netns);
  tier_ = tier;
  fds_ = binding.fds;
  fresh_ = true;
  enter_error_ = 0;
  return first;
}

void GovernedNetns::unbind() {
  netns_.reset();
  fds_ = 0;
}

void GovernedNetns::forget(const GovernedContext& context) {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    set_state(i, std::nullopt, context);
    settings_[i] = SettingState{};
  }
}

bool GovernedNetns::cannot_enter(const Error& error, const GovernedContext& context, Report& report) {
  std::vector<Trace> traces(settings_.size());
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    traces[i].before = settings_[i].state;
    settings_[i].seen.clear();
    settings_[i].error = error.code;
    set_state(i, State::unreadable, context);
    traces[i].found = State::unreadable;
  }
  tell_changes(traces, report);
  return std::exchange(enter_error_, error.code) != error.code;
}

bool GovernedNetns::visit(const GovernedContext& context, Source source, Report& report) {
  report.source = source;
  if (!look_for_missing(context)) return false;
  const auto readings = netns_->read();
  if (!readings || any_vanished(*readings)) return false;
  if (all_as_judged_good(*readings)) return true;

  std::vector<Trace> traces(settings_.size());
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    SettingState& setting = settings_[i];
    traces[i].before = setting.state;
    traces[i].seen_before = setting.seen;
    if (setting.trouble) traces[i].trouble_before = std::pair(setting.trouble->outcome, setting.trouble->error);
    judge(i, (*readings)[i], context);
    traces[i].found = *setting.state;
    traces[i].found_value = setting.seen;
  }
  if (not_compliant_ > 0 && !repair(context, traces, report)) return false;
  tell_changes(traces, report);
  if (!was_compliant_ && not_compliant_ == 0 && !settings_.empty()) {
    was_compliant_ = true;
    report.first_seen = first_seen_;
  }
  return true;
}

/// The whole of a quiet visit: the bytes are those that were judged good, so nothing is parsed.
bool GovernedNetns::all_as_judged_good(std::span<const Reading> readings) const {
  if (not_compliant_ > 0 || !was_compliant_) return false;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (readings[i].status != Reading::Status::value || settings_[i].state != State::compliant) return false;
    if (readings[i].bytes != settings_[i].seen) return false;
  }
  return true;
}

bool GovernedNetns::look_for_missing(const GovernedContext& context) {
  if (std::exchange(fresh_, false) || not_compliant_ == 0) return true;
  bool look = false;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (settings_[i].state != State::missing) continue;
    const KeyIndex key = plan_->plan.settings[i].key;
    if (plan_->policies->keys()[key].names_interface() || context.census.worth_looking(key)) look = true;
  }
  if (!look) return true;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (settings_[i].state == State::missing) context.census.looked_for(plan_->plan.settings[i].key);
  }
  return netns_->find_missing().ok();
}

bool GovernedNetns::read_and_judge(const GovernedContext& context) {
  const auto readings = netns_->read();
  if (!readings || any_vanished(*readings)) return false;
  for (std::size_t i = 0; i < settings_.size(); ++i) judge(i, (*readings)[i], context);
  return true;
}

void GovernedNetns::judge(std::size_t index, const Reading& reading, const GovernedContext& context) {
  SettingState& setting = settings_[index];
  setting.error = 0;
  if (reading.status != Reading::Status::value) {
    setting.seen.clear();
    setting.error = reading.error;
    set_state(index, reading.status == Reading::Status::missing ? State::missing : State::unreadable, context);
    return;
  }
  setting.seen.assign(reading.bytes);
  const bool right = same_value(reading.bytes, plan_->plan.settings[index].want);
  set_state(index, right ? State::compliant : State::drifted, context);
}

void GovernedNetns::set_state(std::size_t index, std::optional<State> state, const GovernedContext& context) {
  SettingState& setting = settings_[index];
  if (setting.state == state) return;
  if (setting.state && *setting.state != State::compliant) --not_compliant_;
  if (state && *state != State::compliant) ++not_compliant_;
  context.census.moved(plan_->plan.settings[index].key, setting.state, state);
  setting.state = state;
  if (state == State::compliant) setting.trouble.reset();
}

bool GovernedNetns::may_write(std::size_t index, const Trace& trace, const GovernedContext& context) const {
  const SettingState& setting = settings_[index];
  if (!context.write || plan_->plan.settings[index].mode != Mode::enforce) return false;
  if (setting.state != State::drifted || trace.stop || trace.tries == tries_a_visit) return false;
  const bool known_clamp = trace.tries == 0 && reason(index) == Reason::clamped && context.now < setting.trouble->retry_at;
  return !known_clamp;
}

/// Writes the first difference, reads everything, and so on: a write can set other keys right or wrong (kernel fact 27), and a
/// write of what is there already is not harmless (fact 26). False when the netns went away meanwhile.
bool GovernedNetns::repair(const GovernedContext& context, std::vector<Trace>& traces, Report& report) {
  for (;;) {
    std::size_t next = 0;
    while (next < settings_.size() && !may_write(next, traces[next], context)) ++next;
    if (next == settings_.size()) return true;
    const PlannedSetting& planned = plan_->plan.settings[next];
    Trace& trace = traces[next];
    ++trace.tries;
    const Result<void> written = netns_->write(next, planned.want);
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
  if (!setting.trouble) setting.trouble = std::make_unique<Trouble>();
  Trouble& trouble = *setting.trouble;
  trouble.stored_instead = setting.seen;
  trouble.delay = std::clamp(trouble.delay * 2, first_clamp_delay, last_clamp_delay);
  trouble.retry_at = context.now + trouble.delay;
  conclude(Outcome::clamped);
}

Reason GovernedNetns::reason(std::size_t index) const {
  const SettingState& setting = settings_[index];
  switch (setting.state.value_or(State::compliant)) {
    case State::compliant: return Reason::none;
    case State::missing: return Reason::missing;
    case State::unreadable: return Reason::unreadable;
    case State::drifted: break;
  }
  const bool clamped =
      setting.trouble && setting.trouble->outcome == Outcome::clamped && setting.seen == setting.trouble->stored_instead;
  return clamped ? Reason::clamped : Reason::value;
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

Finding GovernedNetns::finding(std::size_t index, const std::string& label) const {
  const PlannedSetting& planned = plan_->plan.settings[index];
  const SettingState& setting = settings_[index];
  const Key& key = plan_->policies->keys()[planned.key];
  Finding finding;
  finding.netns = label;
  finding.policy = plan_->policies->policies()[planned.policy].name;
  finding.key = key.name();
  finding.want = key.is_secret() ? std::string(redacted) : planned.want;
  finding.have = normalised(setting.seen);
  if (key.is_secret() && !finding.have.empty()) finding.have = redacted;
  finding.state = setting.state.value_or(State::unreadable);
  finding.reason = reason(index);
  finding.error = setting.error;
  return finding;
}

void GovernedNetns::append_findings(const std::string& label, Reconciler::Which which, std::size_t cap,
                                    std::vector<Finding>& findings) const {
  for (std::size_t i = 0; i < settings_.size() && findings.size() < cap; ++i) {
    const auto state = settings_[i].state;
    if (!state || (which == Reconciler::Which::not_compliant && state == State::compliant)) continue;
    findings.push_back(finding(i, label));
  }
}

void GovernedNetns::add_to(Overview& overview) const {
  const bool counted = bound() || enter_error_ != 0;
  if (!counted || plan_->plan.policies.empty()) return;
  ++overview.totals.netns;
  for (const PolicyIndex policy : plan_->plan.policies) ++overview.policies[policy].netns;
  for (const Overridden& lost : plan_->plan.overridden) overview.policies[lost.loser].conflicts += lost.conflict ? 1 : 0;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (!settings_[i].state) continue;
    Overview::OfPolicy& policy = overview.policies[plan_->plan.settings[i].policy];
    ++policy.settings;
    ++overview.totals.settings;
    if (*settings_[i].state != State::compliant) ++policy.not_compliant;
    switch (*settings_[i].state) {
      case State::compliant: ++overview.totals.compliant; break;
      case State::drifted: ++overview.totals.drifted; break;
      case State::missing: ++overview.totals.missing; break;
      case State::unreadable: ++overview.totals.unreadable; break;
    }
  }
  const std::size_t keys = bound() ? settings_.size() : 0;
  switch (tier_) {
    case Tier::held: overview.held_keys += keys; break;
    case Tier::directories: overview.directory_keys += keys; break;
    case Tier::transient: overview.transient_keys += keys; break;
  }
}

}  // namespace nswarden::core
