// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/policy_review.hpp>

#include <algorithm>
#include <variant>

#include <nswarden/base/text.hpp>
#include <nswarden/os/procfs.hpp>
#include <nswarden/policy/key_pattern.hpp>

namespace nswarden {

std::vector<UnusedPart> find_unused(const Reconciler& reconciler, Time now) {
  const PolicySet& set = reconciler.policies();
  const Overview overview = reconciler.overview(now);
  const std::vector<KeyIndex> missing = reconciler.missing_everywhere();
  std::vector<UnusedPart> unused;
  for (PolicyIndex i = 0; i < set.policies().size(); ++i) {
    const PolicySet::Policy& policy = set.policies()[i];
    if (overview.policies[i].netns == 0) unused.push_back({policy.name, {}});
    for (const KeyIndex key : policy.keys) {
      const bool is_missing = overview.policies[i].netns > 0 && std::find(missing.begin(), missing.end(), key) != missing.end();
      if (is_missing && !set.optional(i, key)) unused.push_back({policy.name, set.keys()[key].name()});
    }
  }
  return unused;
}

std::vector<UnusedPart> PolicyReview::newly_unused(std::vector<UnusedPart> unused, Time now) {
  std::sort(unused.begin(), unused.end());
  std::erase_if(known_, [&](const auto& one) { return !std::binary_search(unused.begin(), unused.end(), one.first); });
  std::vector<UnusedPart> reports;
  for (UnusedPart& one : unused) {
    Since& since = known_.try_emplace(one, Since{now}).first->second;
    const bool is_due = !one.key.empty() || now - since.first >= grace_period;
    if (since.reported || !is_due) continue;
    since.reported = true;
    reports.push_back(std::move(one));
  }
  return reports;
}

std::optional<std::string> suggest_key(std::string_view name) {
  const auto parsed = KeyPattern::parse(name);
  const auto* key = std::get_if<KeyPattern>(&parsed);
  if (key == nullptr) return std::nullopt;
  const std::string& path = key->path();
  const std::string_view last = last_component(path);
  std::string directory = path.substr(0, path.rfind('/'));
  if (key->names_interface()) directory.replace(directory.rfind('/') + 1, std::string::npos, "default");
  const std::vector<std::string> names = home_sysctls(directory);
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const auto near = nearest(last, candidates);
  if (!near || *near == last) return std::nullopt;
  return std::string(name.substr(0, name.size() - last.size())) + std::string(*near);
}

}  // namespace nswarden
