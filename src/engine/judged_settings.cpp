// SPDX-License-Identifier: Apache-2.0
#include "engine/judged_settings.hpp"

#include <string_view>
#include <unordered_map>
#include <utility>

#include <nswarden/policy/key_traits.hpp>
#include <nswarden/policy/value.hpp>

namespace nswarden {
namespace {

/// Replaces the values of secrets (kernel fact 29).
constexpr std::string_view redacted = "redacted";

/// The census counts an absent key as missing, even if it is optional.
std::optional<State> census_state(const JudgedSetting& setting) { return setting.absent ? State::missing : setting.state; }

/// The change to report of a setting that was, was found or is not compliant; nullopt when it is already known.
std::optional<Change::Kind> kind_of(const Change& change, const SettingTrace& trace, const JudgedSetting& setting) {
  using Kind = Change::Kind;
  if (trace.contradicted && !setting.repairs.contradiction_reported) return Kind::contradicted;
  if (setting.compliant()) return trace.last ? Kind::repaired : Kind::recovered;
  if (trace.becomes_suspended) return Kind::suspended;
  const bool other_value = trace.before != setting.state || trace.seen_before != setting.seen;
  if (change.detected || (other_value && !change.contended)) return Kind::drifted;
  const bool other_failure = trace.last && trace.failure_before != std::pair(change.outcome, change.error);
  if (other_failure) return Kind::not_repaired;
  return std::nullopt;
}

}  // namespace

Reason JudgedSetting::reason() const {
  switch (state.value_or(State::compliant)) {
    case State::compliant: return Reason::none;
    case State::missing: return Reason::missing;
    case State::unreadable: return Reason::unreadable;
    case State::drifted: break;
  }
  if (repairs.suspended()) return Reason::suspended;
  const RepairHistory::Failure* failure = repairs.failure.get();
  const bool clamped = failure != nullptr && failure->outcome == Outcome::clamped && seen == failure->stored_instead;
  return clamped ? Reason::clamped : Reason::value;
}

SettingTrace::SettingTrace(const JudgedSetting& setting) : before(setting.state), seen_before(setting.seen) {
  if (const auto* failure = setting.repairs.failure.get()) failure_before = std::pair(failure->outcome, failure->error);
}

bool JudgedSettings::restores(std::size_t index) const {
  return plan_->shared->policies()->policies()[planned(index).policy].restore;
}

bool JudgedSettings::contradicted(std::size_t index) const {
  const std::int32_t by = settings_[index].repairs.undone_by;
  if (by == RepairHistory::no_setting) return false;
  return settings_[static_cast<std::size_t>(by)].repairs.undone_by == static_cast<std::int32_t>(index);
}

void JudgedSettings::adopt(std::shared_ptr<const ResolvedPlan> plan) {
  const bool same_keys = plan_ && plan_->shared->policies() == plan->shared->policies();
  std::vector<JudgedSetting> old = std::exchange(settings_, std::vector<JudgedSetting>(plan->resolution.settings.size()));
  const std::shared_ptr<const ResolvedPlan> before = std::exchange(plan_, std::move(plan));
  observed_.assign(plan_->observed.size(), {});
  not_compliant_ = absent_ = 0;
  std::unordered_map<std::string_view, std::size_t> known;
  for (std::size_t i = 0; i < old.size(); ++i) {
    const PlannedSetting& was = before->resolution.settings[i];
    if (same_keys) census_.state_changed(was.written, census_state(old[i]), std::nullopt);
    known.emplace(was.key.path(), i);
  }
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    const auto found = known.find(planned(i).key.path());
    if (found == known.end()) continue;
    const Setting& was = *before->resolution.settings[found->second].setting;
    const Setting& now = *planned(i).setting;
    if (!(now.want == was.want) || now.optional != was.optional) continue;
    JudgedSetting& setting = settings_[i];
    setting = std::move(old[found->second]);
    setting.repairs.undone_by = RepairHistory::no_setting;
    // Retry without delay after a policy change.
    if (setting.repairs.failure && !same_keys) setting.repairs.failure->retry_at = {};
    const std::optional<State> state = std::exchange(setting.state, std::nullopt);
    count(i, state, std::exchange(setting.absent, false));
  }
}

void JudgedSettings::forget() {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    count(i, std::nullopt, false);
    settings_[i] = {};
  }
  observed_.assign(observed_.size(), {});
}

void JudgedSettings::judge(std::span<const Reading> readings, Time now, std::chrono::nanoseconds tick) {
  for (std::size_t i = 0; i < settings_.size(); ++i) judge(i, readings[i], now, tick);
}

void JudgedSettings::judge(std::size_t index, const Reading& reading, Time now, std::chrono::nanoseconds tick) {
  JudgedSetting& setting = settings_[index];
  setting.error = 0;
  if (reading.status != Reading::Status::value) {
    setting.seen.clear();
    setting.error = reading.error;
    const bool missing = reading.status == Reading::Status::missing;
    const bool absent = missing && planned(index).setting->optional;
    set_state(index, absent ? State::compliant : missing ? State::missing : State::unreadable, absent, now);
    return;
  }
  setting.seen.assign(reading.bytes);
  const PlannedSetting& plan = planned(index);
  const ValueSense sense{traits_of(plan.key.path()).form, tick};
  set_state(index, plan.setting->want.holds(reading.bytes, sense) ? State::compliant : State::drifted, false, now);
}

void JudgedSettings::set_unreadable(int error, Time now) {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    settings_[i].seen.clear();
    settings_[i].error = error;
    set_state(i, State::unreadable, false, now);
  }
}

void JudgedSettings::set_state(std::size_t index, State state, bool absent, Time now) {
  JudgedSetting& setting = settings_[index];
  if (!setting.state || setting.compliant() != (state == State::compliant)) setting.since = now;
  count(index, state, absent);
}

/// The only place that changes a state, so that all counts stay in step.
void JudgedSettings::count(std::size_t index, std::optional<State> state, bool absent) {
  JudgedSetting& setting = settings_[index];
  if (setting.state == state && setting.absent == absent) return;
  const std::optional<State> before = census_state(setting);
  if (setting.state && !setting.compliant()) --not_compliant_;
  if (state && *state != State::compliant) ++not_compliant_;
  if (setting.absent) --absent_;
  if (absent) ++absent_;
  setting.state = state;
  setting.absent = absent;
  census_.state_changed(planned(index).written, before, census_state(setting));
  if (setting.compliant()) setting.repairs.failure.reset();
}

bool JudgedSettings::equals_compliant_bytes(std::span<const Reading> readings) const {
  if (not_compliant_ > 0) return false;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    const JudgedSetting& setting = settings_[i];
    if (setting.absent && readings[i].status == Reading::Status::missing) continue;
    if (readings[i].status != Reading::Status::value || setting.absent || !setting.compliant()) return false;
    if (readings[i].bytes != setting.seen) return false;
  }
  return true;
}

void JudgedSettings::keep_observed(std::span<const Reading> readings) {
  for (std::size_t i = 0; i < observed_.size(); ++i) {
    const Reading& reading = readings[plan_->observed[i]];
    if (reading.bytes != observed_[i]) observed_[i].assign(reading.bytes);
  }
}

bool JudgedSettings::should_search_missing() {
  if (not_compliant_ == 0 && absent_ == 0) return false;
  bool worth = false;
  for (std::size_t i = 0; i < settings_.size() && !worth; ++i) {
    if (!settings_[i].missing()) continue;
    worth = planned(i).key.names_interface() || census_.should_search(planned(i).written);
  }
  for (std::size_t i = 0; i < settings_.size() && worth; ++i) {
    if (settings_[i].missing()) census_.searched(planned(i).written);
  }
  return worth;
}

void JudgedSettings::report_changes(const std::vector<SettingTrace>& traces, std::optional<Time> write_seen, Report& report) {
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const SettingTrace& trace = traces[i];
    JudgedSetting& setting = settings_[i];
    const bool was_noncompliant = trace.before && *trace.before != State::compliant;
    const bool found_noncompliant = trace.found != State::compliant;
    const bool noncompliant = !setting.compliant();
    Change change;
    change.policy = planned(i).policy;
    change.written = planned(i).written;
    change.setting = static_cast<std::uint32_t>(i);
    if (trace.suspension_ended) {
      change.kind = Change::Kind::calmed;
      change.finding = finding(i, report.netns);
      report.changes.push_back(change);
    }
    if (!was_noncompliant && !found_noncompliant && !noncompliant) continue;

    change.contended = setting.repairs.suspended();
    change.detected = !was_noncompliant && (found_noncompliant || noncompliant);
    if (trace.last) {
      change.outcome = trace.last->outcome;
      change.error = trace.last->error;
      change.attempted = true;
      // A later write for another setting undid this one: they contradict each other through the kernel (kernel fact 27).
      if (noncompliant && change.outcome == Outcome::fixed) change.outcome = Outcome::failed;
    }
    const std::optional<Change::Kind> kind = kind_of(change, trace, setting);
    if (!kind) continue;
    change.kind = *kind;
    change.finding = finding(i, report.netns);
    if (*kind == Change::Kind::contradicted) {
      change.other = planned(static_cast<std::size_t>(setting.repairs.undone_by)).key.name();
      setting.repairs.contradiction_reported = true;
    } else if (*kind == Change::Kind::suspended) {
      change.retry_in = setting.repairs.damping->delay();
    } else if (*kind == Change::Kind::repaired) {
      // After a write by another thread, the previous visit had found the drift.
      const bool found_before = trace.found == State::compliant;
      if (!planned(i).key.is_secret()) change.finding.have = normalised(found_before ? trace.seen_before : trace.found_value);
      if (!report.write_seen) report.write_seen = trace.write_seen ? trace.write_seen : write_seen;
    }
    report.changes.push_back(std::move(change));
  }
}

Finding JudgedSettings::finding(std::size_t index, const std::string& label) const {
  const PlannedSetting& plan = planned(index);
  const JudgedSetting& setting = settings_[index];
  const Key& key = plan.key;
  Finding finding;
  finding.netns = label;
  finding.policy = plan_->shared->policies()->policies()[plan.policy].name;
  finding.key = key.name();
  finding.want = key.is_secret() ? std::string(redacted) : plan.setting->want.text();
  finding.have = normalised(setting.seen);
  if (key.is_secret() && !finding.have.empty()) finding.have = redacted;
  finding.state = setting.state.value_or(State::unreadable);
  finding.reason = setting.reason();
  finding.error = setting.error;
  const RepairHistory::Failure* failure = setting.repairs.failure.get();
  if (finding.error == 0 && failure != nullptr && setting.state == State::drifted) finding.error = failure->error;
  finding.note = plan.setting->note;
  finding.since = setting.since;
  return finding;
}

void JudgedSettings::append_findings(const std::string& label, WhichSettings which, std::size_t cap,
                                     std::vector<Finding>& findings) const {
  for (std::size_t i = 0; i < settings_.size() && findings.size() < cap; ++i) {
    if (!settings_[i].state || (which == WhichSettings::not_compliant && settings_[i].compliant())) continue;
    findings.push_back(finding(i, label));
  }
}

std::size_t JudgedSettings::append_observations(const std::string& label, std::size_t cap,
                                                std::vector<Observed>& observations) const {
  std::size_t made = 0;
  for (std::size_t i = 0; i < observed_.size(); ++i) {
    std::vector<double> numbers = numbers_in(observed_[i]);
    if (numbers.empty() || made + numbers.size() > cap) continue;
    made += numbers.size();
    observations.push_back({label, plan_->resolution.observed[i].name(), std::move(numbers)});
  }
  return made;
}

void JudgedSettings::add_to(Overview& overview) const {
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (!settings_[i].state) continue;
    Overview::OfPolicy& policy = overview.policies[planned(i).policy];
    ++policy.settings;
    ++overview.totals.settings;
    if (!settings_[i].compliant()) ++policy.not_compliant;
    if (settings_[i].repairs.suspended()) ++policy.suspended;
    switch (*settings_[i].state) {
      case State::compliant: ++overview.totals.compliant; break;
      case State::drifted: ++overview.totals.drifted; break;
      case State::missing: ++overview.totals.missing; break;
      case State::unreadable: ++overview.totals.unreadable; break;
    }
  }
  for (const std::string& value : observed_) overview.observed += numbers_in(value).size();
}

}  // namespace nswarden
