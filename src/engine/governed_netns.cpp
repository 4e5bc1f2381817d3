// SPDX-License-Identifier: Apache-2.0
#include "engine/governed_netns.hpp"

#include "engine/setting_trace.hpp"

#include <nswarden/policy/key_traits.hpp>
#include <nswarden/policy/value.hpp>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace nswarden {
namespace {

bool any_vanished(std::span<const Reading> readings) {
  return std::any_of(readings.begin(), readings.end(),
                     [](const Reading& reading) { return reading.status == Reading::Status::vanished; });
}

}  // namespace

void GovernedNetns::set_plan(const SharedPlan& plan, const GovernedContext& context) {
  unbind();
  // What is known of keys that the new globs stand for too is kept; the first visit looks which are there.
  std::set<Key> found;
  const auto keep = [&](const Key& key) {
    const auto globs = plan.globs();
    const bool matched = std::any_of(globs.begin(), globs.end(), [&key](const KeyPattern* glob) { return glob->matches(key); });
    if (matched) found.insert(key);
  };
  if (resolved_) {
    for (const PlannedSetting& setting : resolved_->resolution.settings) keep(setting.key);
    for (const Key& key : resolved_->resolution.observed) keep(key);
  }
  adopt(plan.resolve({found.begin(), found.end()}), context);
}

/// What is judged of a setting that stays as it was is kept.
void GovernedNetns::adopt(std::shared_ptr<const ResolvedPlan> resolved, const GovernedContext& context) {
  const bool same_keys = resolved_ && resolved_->shared->policies() == resolved->shared->policies();
  std::vector<SettingState> old = std::exchange(settings_, std::vector<SettingState>(resolved->resolution.settings.size()));
  const std::shared_ptr<const ResolvedPlan> before = std::exchange(resolved_, std::move(resolved));
  observed_.assign(resolved_->observed.size(), {});
  not_compliant_ = absent_ = 0;
  std::unordered_map<std::string_view, std::size_t> known;
  for (std::size_t i = 0; i < old.size(); ++i) {
    const PlannedSetting& was = before->resolution.settings[i];
    if (same_keys) context.census.moved(was.written, census_state(old[i]), std::nullopt);
    known.emplace(was.key.path(), i);
  }
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    const auto found = known.find(planned(i).key.path());
    if (found == known.end()) continue;
    const Setting& was = *before->resolution.settings[found->second].setting;
    const Setting& now = *planned(i).setting;
    if (!(now.want == was.want) || now.optional != was.optional) continue;
    const bool absent = old[found->second].absent;
    const std::optional<State> state = std::exchange(old[found->second].state, std::nullopt);
    settings_[i] = std::move(old[found->second]);
    settings_[i].absent = false;
    settings_[i].undone_by = nobody;
    // Whoever changes the policy wants to see what comes of it.
    if (settings_[i].trouble && !same_keys) settings_[i].trouble->retry_at = {};
    const Time since = settings_[i].since;
    set_state(i, state, absent, context);
    settings_[i].since = since;
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
  look_due_ = has_globs();
  enter_error_ = 0;
  return first;
}

void GovernedNetns::unbind() {
  netns_.reset();
  slow_write_.reset();
}

void GovernedNetns::forget(const GovernedContext& context) {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    set_state(i, std::nullopt, false, context);
    settings_[i] = SettingState{};
  }
  observed_.assign(observed_.size(), {});
}

bool GovernedNetns::cannot_enter(const Error& error, const GovernedContext& context, Report& report) {
  std::vector<Trace> traces(settings_.size());
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    traces[i].before = settings_[i].state;
    settings_[i].seen.clear();
    settings_[i].error = error.code;
    set_state(i, State::unreadable, false, context);
    traces[i].found = State::unreadable;
  }
  tell_changes(traces, context, report);
  return std::exchange(enter_error_, error.code) != error.code;
}

/// What its globs stand for at present, unless a write is under way that knows settings by their numbers. False: bind again.
bool GovernedNetns::look(Look why, const GovernedContext& context) {
  look_due_ = false;
  const auto failed = [this](const Error& error) {
    if (error.code != ESTALE) look_error_ = error;
    return false;
  };
  auto found = netns_->find(resolved_->shared->globs());
  if (!found) return failed(found.error());
  const std::shared_ptr<const ResolvedPlan> before = resolved_;  // which the binding still refers to
  std::shared_ptr<const ResolvedPlan> now = resolved_->shared->resolve(std::move(*found));
  // Where the same names are there as before, their interfaces may be others: then what is held of them is dead.
  if (now == before && why == Look::changes) return true;
  if (now != before) adopt(std::move(now), context);
  const Result<void> held = netns_->hold(resolved_->wishes);
  return held.ok() || failed(held.error());
}

/// readings_ are those of all keys afterwards. False when the binding is stale.
bool GovernedNetns::read_all(const GovernedContext& context) {
  if (look_due_ && !slow_write_ && !look(Look::changes, context)) return false;
  if (!look_for_missing(context)) return false;
  auto readings = netns_->read();
  if (readings && any_vanished(*readings) && has_globs() && !slow_write_) {
    // An interface has gone, or the whole netns, which look() will tell.
    if (!look(Look::vanished, context)) return false;
    readings = netns_->read();
  }
  if (!readings || any_vanished(*readings)) return false;
  readings_ = *readings;
  return true;
}

bool GovernedNetns::visit(const GovernedContext& wanted, Report& report) {
  GovernedContext context = wanted;
  const std::shared_ptr<const ResolvedPlan> before = resolved_;
  more_ = false;
  look_error_.reset();
  if (!read_all(context)) return false;
  // Numbers of other settings than those that were written to.
  if (resolved_ != before) context.written_to = {};
  keep_observed();
  const bool nothing_due = !(retry_at_ && context.now >= *retry_at_) && !(slow_write_ && slow_write_->error);
  if (context.now >= repairs_forgotten_at_) forget_old_repairs(context);
  if (nothing_due && all_as_judged_good(readings_)) return true;

  std::vector<Trace> traces(settings_.size());
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    SettingState& setting = settings_[i];
    traces[i].before = setting.state;
    traces[i].seen_before = setting.seen;
    if (setting.trouble) traces[i].trouble_before = std::pair(setting.trouble->outcome, setting.trouble->error);
    judge(i, readings_[i], context);
    traces[i].found = *setting.state;
    traces[i].found_value = setting.seen;
    if (setting.state == State::compliant) setting.before_ours.reset();
  }
  note_fights(traces, context);
  conclude_slow_write(traces, context, report);
  // Interfaces that came meanwhile are not to wait for all that is to be written of the others.
  const bool look_first = look_due_ && !slow_write_;
  const bool whole = look_first || not_compliant_ == 0 || repair(context, traces, report);
  // Also of a visit that was cut short: what was found and done until then is true, and the next visit goes on from there.
  see_to_retries(context);
  tell_changes(traces, context, report);
  if (!whole) return false;
  if (look_first) return visit(context, report);
  // What undid what is forgotten with it, or two accidents, days apart, would look like a contradiction.
  if (not_compliant_ == 0) {
    for (SettingState& setting : settings_) setting.undone_by = nobody;
  }
  if (!was_compliant_ && not_compliant_ == 0 && !settings_.empty()) {
    was_compliant_ = true;
    report.first_seen = first_seen_;
  }
  return true;
}

void GovernedNetns::keep_observed() {
  for (std::size_t i = 0; i < observed_.size(); ++i) {
    const Reading& reading = readings_[resolved_->observed[i]];
    if (reading.bytes != observed_[i]) observed_[i].assign(reading.bytes);
  }
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
    if (settings_[i].absent && readings[i].status == Reading::Status::missing) continue;
    if (readings[i].status != Reading::Status::value || settings_[i].absent || settings_[i].state != State::compliant)
      return false;
    if (readings[i].bytes != settings_[i].seen) return false;
  }
  return true;
}

bool GovernedNetns::look_for_missing(const GovernedContext& context) {
  if (std::exchange(fresh_, false) || (not_compliant_ == 0 && absent_ == 0)) return true;
  const auto is_missing = [](const SettingState& setting) { return setting.absent || setting.state == State::missing; };
  bool look = false;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (!is_missing(settings_[i])) continue;
    if (planned(i).key.names_interface() || context.census.worth_looking(planned(i).written)) look = true;
  }
  if (!look) return true;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (is_missing(settings_[i])) context.census.looked_for(planned(i).written);
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
    const bool missing = reading.status == Reading::Status::missing;
    const bool absent = missing && planned(index).setting->optional;
    set_state(index, absent ? State::compliant : missing ? State::missing : State::unreadable, absent, context);
    return;
  }
  setting.seen.assign(reading.bytes);
  const PlannedSetting& plan = planned(index);
  const ValueSense sense{traits_of(plan.key.path()).form, context.tick};
  set_state(index, plan.setting->want.holds(reading.bytes, sense) ? State::compliant : State::drifted, false, context);
}

/// To the census a key that does not exist is missing, whether it may be or not.
std::optional<State> GovernedNetns::census_state(const SettingState& setting) {
  return setting.absent ? State::missing : setting.state;
}

void GovernedNetns::set_state(std::size_t index, std::optional<State> state, bool absent, const GovernedContext& context) {
  SettingState& setting = settings_[index];
  if (setting.state == state && setting.absent == absent) return;
  const std::optional<State> counted = census_state(setting);
  if (!setting.state || (*setting.state == State::compliant) != (state == State::compliant)) setting.since = context.now;
  if (setting.state && *setting.state != State::compliant) --not_compliant_;
  if (state && *state != State::compliant) ++not_compliant_;
  if (setting.absent) --absent_;
  if (absent) ++absent_;
  setting.state = state;
  setting.absent = absent;
  context.census.moved(planned(index).written, counted, census_state(setting));
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
  const PlannedSetting& plan = planned(index);
  const SettingState& setting = settings_[index];
  const Key& key = plan.key;
  Finding finding;
  finding.netns = label;
  finding.policy = resolved_->shared->policies()->policies()[plan.policy].name;
  finding.key = key.name();
  finding.want = key.is_secret() ? std::string(redacted) : plan.setting->want.text();
  finding.have = normalised(setting.seen);
  if (key.is_secret() && !finding.have.empty()) finding.have = redacted;
  finding.state = setting.state.value_or(State::unreadable);
  finding.reason = reason(index);
  finding.error = setting.error;
  if (finding.error == 0 && setting.trouble && setting.state == State::drifted) finding.error = setting.trouble->error;
  finding.note = plan.setting->note;
  finding.since = setting.since;
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

std::size_t GovernedNetns::append_observations(const std::string& label, std::size_t cap,
                                               std::vector<Observed>& observations) const {
  std::size_t made = 0;
  for (std::size_t i = 0; i < observed_.size(); ++i) {
    std::vector<double> numbers = numbers_in(observed_[i]);
    if (numbers.empty() || made + numbers.size() > cap) continue;
    made += numbers.size();
    observations.push_back({label, resolution().observed[i].name(), std::move(numbers)});
  }
  return made;
}

/// Some policy matches it, and something is known of it.
bool GovernedNetns::counted() const {
  if (resolved_->shared->matched().empty()) return false;
  return bound() ||
         std::any_of(settings_.begin(), settings_.end(), [](const SettingState& setting) { return setting.state.has_value(); });
}

void GovernedNetns::append_drift(const std::string& label, std::vector<NetnsDrift>& drift) const {
  if (!counted()) return;
  const std::vector<PolicyIndex>& matched = resolved_->shared->matched();
  std::vector<std::size_t> counts(matched.size());
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (settings_[i].state.value_or(State::compliant) == State::compliant) continue;
    const auto owner = std::lower_bound(matched.begin(), matched.end(), planned(i).policy);
    ++counts[static_cast<std::size_t>(owner - matched.begin())];
  }
  const auto policies = resolved_->shared->policies()->policies();
  for (std::size_t i = 0; i < matched.size(); ++i) drift.push_back({label, policies[matched[i]].name, counts[i]});
}

void GovernedNetns::add_to(Overview& overview) const {
  if (!counted()) return;
  ++overview.totals.netns;
  for (const PolicyIndex policy : resolved_->shared->matched()) ++overview.policies[policy].netns;
  for (const Overridden& lost : resolution().overridden) overview.policies[lost.loser].conflicts += lost.conflict ? 1 : 0;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (!settings_[i].state) continue;
    Overview::OfPolicy& policy = overview.policies[planned(i).policy];
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
  for (const std::string& value : observed_) overview.observed += numbers_in(value).size();
  const std::size_t keys = bound() ? settings_.size() : 0;
  switch (tier_) {
    case Tier::held: overview.held_keys += keys; break;
    case Tier::directories: overview.directory_keys += keys; break;
    case Tier::transient: overview.transient_keys += keys; break;
  }
}

}  // namespace nswarden
