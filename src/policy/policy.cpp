// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/policy.hpp>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <nswarden/policy/key_traits.hpp>

namespace nswarden {
namespace {

bool any_matches(const std::vector<Pattern>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [name](const Pattern& pattern) { return pattern.matches_start(name); });
}

bool has_kind(std::span<const NetnsName> names, NameKind kind) {
  return std::any_of(names.begin(), names.end(), [kind](const NetnsName& name) { return name.kind == kind; });
}

/// A glob never matches a key that would be refused if it were written out.
bool may_be_set(const PolicyConfig& policy, Mode mode, const Key& key) {
  const KeyTraits traits = traits_of(key.path());
  if (traits.write_only || (traits.read_only && mode == Mode::enforce)) return false;
  return policy.allows_host_keys() || !(traits.global || traits.read_only_in_child);
}

bool may_be_observed(const Key& key) {
  const KeyTraits traits = traits_of(key.path());
  return !traits.write_only && !traits.secret;
}

/// Whether a glob of this policy matches the key and the policy may set it.
bool takes(const PolicyConfig& policy, const KeyPattern& glob, const Key& key) {
  if (!glob.matches(key)) return false;
  if (key.names_interface() && !policy.interfaces.empty() && !any_matches(policy.interfaces, key.interface())) return false;
  return std::none_of(policy.exclusions.begin(), policy.exclusions.end(),
                      [&key](const KeyPattern& exclusion) { return exclusion.matches(key); });
}

/// Collects the policies that name each key, and keeps the winner.
class Owners {
 public:
  explicit Owners(Resolution& into) : into_(into) {}

  void name(PlannedSetting planned) {
    const auto [entry, fresh] = owned_.try_emplace(planned.key, planned);
    if (fresh) return;
    PlannedSetting& owner = entry->second;
    // Policies arrive in file order.
    const bool wins = is_exact(planned) >= is_exact(owner);
    PlannedSetting loser = wins ? std::exchange(owner, std::move(planned)) : std::move(planned);
    into_.overridden.push_back({loser.key, loser.policy, owner.policy, loser.mode, loser.setting, false});
  }

  void conclude() {
    // When three policies name a key, the last one is also the winner over the first.
    for (Overridden& lost : into_.overridden) {
      const PlannedSetting& winner = owned_.at(lost.key);
      lost.winner = winner.policy;
      const bool differs = !(lost.setting->want == winner.setting->want) || lost.mode != winner.mode;
      lost.conflict = lost.loser != lost.winner && differs;
    }
    std::erase_if(into_.overridden, [](const Overridden& lost) { return lost.loser == lost.winner; });
    for (auto& [key, planned] : owned_) into_.settings.push_back(std::move(planned));
    const auto place = [](const PlannedSetting& planned) {
      const Position& position = planned.setting->position;
      return std::tuple(planned.key.write_rank(), planned.policy, position.file, position.line);
    };
    std::stable_sort(into_.settings.begin(), into_.settings.end(),
                     [&](const auto& a, const auto& b) { return place(a) < place(b); });
  }

 private:
  static bool is_exact(const PlannedSetting& planned) { return planned.setting->key.exact() != nullptr; }

  Resolution& into_;
  std::map<Key, PlannedSetting> owned_;
};

}  // namespace

PolicySet::PolicySet(Config config, Audit audit) : files_(std::move(config.files)), sources_(std::move(config.policies)) {
  std::map<std::string_view, KeyIndex> known;
  for (PolicyConfig& source : sources_) {
    if (audit == Audit::everything) source.mode = Mode::audit;
    Policy& policy = policies_.emplace_back(Policy{source.name, source.mode, source.restore, {}, nullptr});
    policy.commands = std::make_shared<const PolicyCommands>(std::move(source.commands));
    for (Setting& setting : source.sysctls) {
      // Without a value to write, the setting can only be audited.
      if (audit == Audit::everything || !setting.want.set()) setting.mode = Mode::audit;
      const auto [entry, fresh] = known.try_emplace(setting.key.path(), static_cast<KeyIndex>(keys_.size()));
      if (fresh) keys_.push_back(setting.key);
      policy.keys.push_back(entry->second);
    }
  }
}

bool PolicySet::observes() const {
  return std::any_of(sources_.begin(), sources_.end(), [](const PolicyConfig& policy) { return !policy.observe.empty(); });
}

bool PolicySet::optional(PolicyIndex policy, KeyIndex key) const {
  const std::vector<KeyIndex>& keys = policies_[policy].keys;
  const auto found = std::find(keys.begin(), keys.end(), key);
  return found != keys.end() && sources_[policy].sysctls[static_cast<std::size_t>(found - keys.begin())].optional;
}

bool PolicySet::names_interfaces() const {
  const auto named = [](const auto& one) { return one.key.names_interface(); };
  return std::any_of(sources_.begin(), sources_.end(), [&](const PolicyConfig& policy) {
    return std::any_of(policy.sysctls.begin(), policy.sysctls.end(), named) ||
           std::any_of(policy.observe.begin(), policy.observe.end(), named);
  });
}

bool PolicySet::wants(NameKind kind) const {
  return std::any_of(sources_.begin(), sources_.end(), [kind](const PolicyConfig& policy) {
    switch (kind) {
      case NameKind::host: return policy.host;
      case NameKind::process: return policy.processes;
      case NameKind::entry: break;
    }
    return !policy.netns.empty();
  });
}

bool PolicySet::matches(const PolicyConfig& policy, std::span<const NetnsName> names) {
  if (has_kind(names, NameKind::host)) return policy.host;
  const bool has_entry = has_kind(names, NameKind::entry);
  if (!has_entry && !policy.processes) return false;
  bool matched = false;
  for (const NetnsName& name : names) {
    if (has_entry && name.kind != NameKind::entry) continue;
    if (any_matches(policy.exclude, name.text)) return false;
    matched = matched || any_matches(policy.netns, name.text);
  }
  return matched;
}

std::vector<PolicyIndex> PolicySet::match(std::span<const NetnsName> names) const {
  std::vector<PolicyIndex> matched;
  for (PolicyIndex index = 0; index < sources_.size(); ++index) {
    if (matches(sources_[index], names)) matched.push_back(index);
  }
  return matched;
}

std::uint32_t PolicySet::event_bits() const {
  std::uint32_t bits = 0;
  for (const Policy& policy : policies_) {
    for (const PolicyCommands::OnEvent& on : policy.commands->events) bits |= on.bits;
  }
  return bits;
}

Plan PolicySet::plan(std::span<const PolicyIndex> matched) const {
  Plan plan;
  plan.policies.assign(matched.begin(), matched.end());
  const auto note = [&plan](const KeyPattern& key) {
    if (key.exact() == nullptr) plan.globs.push_back(&key);
  };
  for (const PolicyIndex index : matched) {
    for (const Setting& setting : sources_[index].sysctls) note(setting.key);
    for (const Observation& observed : sources_[index].observe) note(observed.key);
  }
  return plan;
}

Resolution PolicySet::resolve(const Plan& plan, std::span<const Key> found) const {
  Resolution resolution;
  Owners owners(resolution);
  for (const PolicyIndex index : plan.policies) {
    const PolicyConfig& source = sources_[index];
    for (std::size_t i = 0; i < source.sysctls.size(); ++i) {
      const Setting& setting = source.sysctls[i];
      const auto name = [&](const Key& key) {
        owners.name({key, policies_[index].keys[i], index, setting.mode.value_or(source.mode), &setting});
      };
      if (const Key* exact = setting.key.exact()) {
        name(*exact);
        continue;
      }
      for (const Key& key : found) {
        const bool may_be = may_be_set(source, setting.mode.value_or(source.mode), key);
        if (may_be && takes(source, setting.key, key)) name(key);
      }
    }
    for (const Observation& observed : source.observe) {
      if (const Key* exact = observed.key.exact()) resolution.observed.push_back(*exact);
      for (const Key& key : found) {
        if (may_be_observed(key) && takes(source, observed.key, key)) resolution.observed.push_back(key);
      }
    }
  }
  owners.conclude();
  auto& observed = resolution.observed;
  std::sort(observed.begin(), observed.end());
  observed.erase(std::unique(observed.begin(), observed.end()), observed.end());
  return resolution;
}

std::vector<NameKind> kinds_of_names(const PolicySet& policies) {
  std::vector<NameKind> kinds{NameKind::entry};
  for (const NameKind kind : {NameKind::host, NameKind::process}) {
    if (policies.wants(kind)) kinds.push_back(kind);
  }
  return kinds;
}

}  // namespace nswarden
