// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/policy.hpp>

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <utility>

#include <nswarden/core/text.hpp>

namespace nswarden::core {
namespace {

/// Names are bytes: Latin1 makes each byte a character, else a name that is no UTF-8 escapes every policy (kernel fact 8).
/// For the same reason `.` takes a newline.
RE2::Options pattern_options() {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  options.set_dot_nl(true);
  return options;
}

bool matches_at_start(const RE2& pattern, std::string_view name) {
  return pattern.Match(re2::StringPiece(name.data(), name.size()), 0, name.size(), RE2::ANCHOR_START, nullptr, 0);
}

}  // namespace

std::optional<std::string> pattern_problem(std::string_view pattern) {
  if (pattern.empty()) return "an empty pattern would match every netns; write .* if that is meant";
  const RE2 compiled(re2::StringPiece(pattern.data(), pattern.size()), pattern_options());
  if (compiled.ok()) return std::nullopt;
  // RE2 repeats the pattern, whatever characters are in it.
  std::string message = "not a valid RE2 pattern: " + printable(compiled.error());
  const std::string& culprit = compiled.error_arg();
  if (culprit.starts_with("(?=") || culprit.starts_with("(?!") || culprit.starts_with("(?<")) {
    message += "; RE2 has no look-around: name what must match, or let a later policy take the exceptions";
  } else if (culprit.size() == 2 && culprit[0] == '\\' && culprit[1] >= '1' && culprit[1] <= '9') {
    message += "; RE2 has no back-references: write the repeated part out";
  }
  return message;
}

struct PolicySet::Patterns {
  std::vector<std::unique_ptr<RE2>> compiled;
};

PolicySet::PolicySet(const Config& config, Audit audit) : sources_(config.policies), patterns_(std::make_unique<Patterns>()) {
  std::map<std::string_view, KeyIndex> known;
  for (PolicyConfig& source : sources_) {
    if (audit == Audit::everything) source.mode = Mode::audit;
    Policy& policy = policies_.emplace_back(Policy{source.name, source.mode, {}, nullptr});
    policy.commands = std::make_shared<const PolicyCommands>(std::move(source.commands));
    for (const Setting& setting : source.sysctls) {
      const auto [position, fresh] = known.try_emplace(setting.key.path(), static_cast<KeyIndex>(keys_.size()));
      if (fresh) keys_.push_back(setting.key);
      policy.keys.push_back(position->second);
    }
    patterns_->compiled.push_back(std::make_unique<RE2>(source.netns, pattern_options()));
  }
}

PolicySet::~PolicySet() = default;

std::vector<PolicyIndex> PolicySet::match(std::span<const std::string_view> names) const {
  std::vector<PolicyIndex> matched;
  for (PolicyIndex index = 0; index < policies_.size(); ++index) {
    const RE2& pattern = *patterns_->compiled[index];
    const bool any =
        std::any_of(names.begin(), names.end(), [&](std::string_view name) { return matches_at_start(pattern, name); });
    if (any) matched.push_back(index);
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
  std::map<KeyIndex, PlannedSetting> owned;
  for (const PolicyIndex index : matched) {
    const PolicyConfig& source = sources_[index];
    for (std::size_t i = 0; i < source.sysctls.size(); ++i) {
      const Setting& setting = source.sysctls[i];
      PlannedSetting planned{policies_[index].keys[i], index, source.mode, setting.want, setting.where};
      const auto [position, fresh] = owned.try_emplace(planned.key, planned);
      if (fresh) continue;
      PlannedSetting& loser = position->second;
      plan.overridden.push_back({loser.key, loser.policy, index, std::move(loser.want), loser.mode, loser.where, false});
      loser = std::move(planned);
    }
  }
  // The winner of a key that three policies name is the last of them, also for the first loser.
  for (Overridden& lost : plan.overridden) {
    const PlannedSetting& winner = owned.at(lost.key);
    lost.winner = winner.policy;
    lost.conflict = lost.want != winner.want || lost.mode != winner.mode;
  }
  for (auto& [key, planned] : owned) plan.settings.push_back(std::move(planned));
  std::stable_sort(plan.settings.begin(), plan.settings.end(), [this](const auto& a, const auto& b) {
    return std::pair(keys_[a.key].write_rank(), a.where.line) < std::pair(keys_[b.key].write_rank(), b.where.line);
  });
  return plan;
}

}  // namespace nswarden::core
