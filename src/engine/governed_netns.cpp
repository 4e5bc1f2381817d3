// SPDX-License-Identifier: Apache-2.0
#include "engine/governed_netns.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace nswarden {

void GovernedNetns::set_plan(const SharedPlan& plan) {
  unbind();
  // Keep the judgements of keys that the new globs match too; the first visit checks which keys exist.
  std::set<Key> found;
  const auto keep = [&](const Key& key) {
    const auto globs = plan.globs();
    const bool matched = std::any_of(globs.begin(), globs.end(), [&key](const KeyPattern* glob) { return glob->matches(key); });
    if (matched) found.insert(key);
  };
  if (settings_.plan()) {
    for (const PlannedSetting& setting : resolution().settings) keep(setting.key);
    for (const Key& key : resolution().observed) keep(key);
  }
  settings_.adopt(plan.resolve({found.begin(), found.end()}));
}

bool GovernedNetns::bound_as(Binding binding, Tier tier, Time now) {
  const bool first = id_ != binding.id;
  // The kernel reused the inode number of a dead netns (kernel fact 4).
  const bool is_new_life = id_ && first;
  if (is_new_life) {
    forget();
    memory_.was_compliant = false;
    memory_.first_seen = now;
  }
  id_ = binding.id;
  netns_ = std::move(binding.netns);
  tier_ = tier;
  memory_.fresh = true;
  memory_.globs_due = has_globs();
  enter_error_ = 0;
  return first;
}

void GovernedNetns::unbind() {
  netns_.reset();
  memory_.slow_write.reset();
}

void GovernedNetns::cannot_enter(const Error& error, Time now, Report& report) {
  std::vector<SettingTrace> traces(settings_.begin(), settings_.end());
  settings_.set_unreadable(error.code, now);
  for (std::size_t i = 0; i < traces.size(); ++i) traces[i].note_found(settings_[i]);
  settings_.report_changes(traces, std::nullopt, report);
  if (std::exchange(enter_error_, error.code) == error.code) return;
  report.life = Report::Life::cannot_enter;
  report.error = error;
}

Result<Visit::End> GovernedNetns::visit(const VisitContext& context, Report& report) {
  return Visit(*netns_, settings_, memory_, context, report).make();
}

void GovernedNetns::written(std::size_t setting, int error) {
  if (memory_.slow_write && memory_.slow_write->setting == setting) memory_.slow_write->error = error;
}

/// While a drifted setting may not be written yet, another drifted value can wait for the sweep.
bool GovernedNetns::reacts_to_write(std::size_t setting, Time now) const {
  if (setting >= settings_.size()) return false;
  const JudgedSetting& of = settings_[setting];
  return of.state != State::drifted || of.repairs.may_write(of.seen, now, true);
}

/// Whether a policy matches it, and it is bound or judged.
bool GovernedNetns::counted() const {
  if (matched().empty()) return false;
  return bound() ||
         std::any_of(settings_.begin(), settings_.end(), [](const auto& setting) { return setting.state.has_value(); });
}

void GovernedNetns::append_drift(const std::string& label, std::vector<NetnsDrift>& drift) const {
  if (!counted()) return;
  std::vector<std::size_t> counts(matched().size());
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (settings_[i].state.value_or(State::compliant) == State::compliant) continue;
    const auto owner = std::lower_bound(matched().begin(), matched().end(), settings_.planned(i).policy);
    ++counts[static_cast<std::size_t>(owner - matched().begin())];
  }
  const auto policies = plan()->policies()->policies();
  for (std::size_t i = 0; i < counts.size(); ++i) drift.push_back({label, policies[matched()[i]].name, counts[i]});
}

void GovernedNetns::add_to(Overview& overview) const {
  if (!counted()) return;
  ++overview.totals.netns;
  for (const PolicyIndex policy : matched()) ++overview.policies[policy].netns;
  for (const Overridden& lost : resolution().overridden) overview.policies[lost.loser].conflicts += lost.conflict ? 1 : 0;
  settings_.add_to(overview);
  const std::size_t keys = bound() ? settings_.size() : 0;
  switch (tier_) {
    case Tier::held: overview.held_keys += keys; break;
    case Tier::directories: overview.directory_keys += keys; break;
    case Tier::transient: overview.transient_keys += keys; break;
  }
}

}  // namespace nswarden
