// SPDX-License-Identifier: Apache-2.0
#include "core/governed_netns.hpp"

#include "core/visit_trace.hpp"

#include <nswarden/core/value.hpp>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

namespace nswarden::core {
namespace {

bool any_vanished(std::span<const Reading> readings) {
  return std::any_of(readings.begin(), readings.end(),
                     [](const Reading& reading) { return reading.status == Reading::Status::vanished; });
}

}  // namespace

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
      // Whoever changes the policy wants to see what comes of it.
      if (settings_[j].trouble) settings_[j].trouble->retry_at = {};
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
  fresh_ = true;
  enter_error_ = 0;
  return first;
}

void GovernedNetns::unbind() {
  netns_.reset();
  slow_write_.reset();
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
  tell_changes(traces, context, report);
  return std::exchange(enter_error_, error.code) != error.code;
}

bool GovernedNetns::visit(const GovernedContext& context, Report& report) {
  if (!look_for_missing(context)) return false;
  const auto readings = netns_->read();
  if (!readings || any_vanished(*readings)) return false;
  const bool nothing_due = !(retry_at_ && context.now >= *retry_at_) && !(slow_write_ && slow_write_->error);
  if (context.now >= repairs_forgotten_at_) forget_old_repairs(context);
  if (nothing_due && all_as_judged_good(*readings)) return true;

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
  note_fights(traces, context);
  conclude_slow_write(traces, context, report);
  const bool whole = not_compliant_ == 0 || repair(context, traces, report);
  // Also of a visit that was cut short: what was found and done until then is true, and the next visit goes on from there.
  see_to_retries(context);
  tell_changes(traces, context, report);
  if (!whole) return false;
  if (!was_compliant_ && not_compliant_ == 0 && !settings_.empty()) {
    was_compliant_ = true;
    report.first_seen = first_seen_;
  }
  return true;
}

void GovernedNetns::written(std::size_t setting, int error) {
  if (slow_write_ && slow_write_->setting == setting) slow_write_->error = error;
}

/// While a setting is wrong and not to be written yet, another wrong value is no news that could not wait for the sweep.
bool GovernedNetns::minds(std::size_t setting, Time now) const {
  if (setting >= settings_.size()) return false;
  const SettingState& of = settings_[setting];
  if (of.state != State::drifted) return true;
  if (of.damping && !of.damping->may_write(now)) return false;
  return !of.trouble || of.trouble->error == 0 || now >= of.trouble->retry_at;
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

Reason GovernedNetns::reason(std::size_t index) const {
  const SettingState& setting = settings_[index];
  switch (setting.state.value_or(State::compliant)) {
    case State::compliant: return Reason::none;
    case State::missing: return Reason::missing;
    case State::unreadable: return Reason::unreadable;
    case State::drifted: break;
  }
  if (suspended(index)) return Reason::suspended;
  const bool clamped =
      setting.trouble && setting.trouble->outcome == Outcome::clamped && setting.seen == setting.trouble->stored_instead;
  return clamped ? Reason::clamped : Reason::value;
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
  const bool judged =
      std::any_of(settings_.begin(), settings_.end(), [](const SettingState& setting) { return setting.state.has_value(); });
  if (!judged && !bound()) return;
  if (plan_->plan.policies.empty()) return;
  ++overview.totals.netns;
  for (const PolicyIndex policy : plan_->plan.policies) ++overview.policies[policy].netns;
  for (const Overridden& lost : plan_->plan.overridden) overview.policies[lost.loser].conflicts += lost.conflict ? 1 : 0;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (!settings_[i].state) continue;
    Overview::OfPolicy& policy = overview.policies[plan_->plan.settings[i].policy];
    ++policy.settings;
    ++overview.totals.settings;
    if (*settings_[i].state != State::compliant) ++policy.not_compliant;
    if (suspended(i)) ++policy.suspended;
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
