// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/policy_review.hpp>

#include <algorithm>

namespace nswarden {

std::vector<Useless> useless_now(const Reconciler& reconciler, Time now) {
  const PolicySet& set = reconciler.policies();
  const Overview overview = reconciler.overview(now);
  const std::vector<KeyIndex> missing = reconciler.missing_everywhere();
  std::vector<Useless> useless;
  for (PolicyIndex i = 0; i < set.policies().size(); ++i) {
    const PolicySet::Policy& policy = set.policies()[i];
    if (overview.policies[i].netns == 0) useless.push_back({policy.name, {}});
    for (const KeyIndex key : policy.keys) {
      const bool is_missing = overview.policies[i].netns > 0 && std::find(missing.begin(), missing.end(), key) != missing.end();
      if (is_missing && !set.optional(i, key)) useless.push_back({policy.name, set.keys()[key].name()});
    }
  }
  return useless;
}

std::vector<Useless> PolicyReview::look(std::vector<Useless> useless, Time now) {
  std::sort(useless.begin(), useless.end());
  std::erase_if(known_, [&](const auto& one) { return !std::binary_search(useless.begin(), useless.end(), one.first); });
  std::vector<Useless> tell;
  for (Useless& one : useless) {
    Since& since = known_.try_emplace(one, Since{now}).first->second;
    const bool is_due = !one.key.empty() || now - since.first >= patience;
    if (since.told || !is_due) continue;
    since.told = true;
    tell.push_back(std::move(one));
  }
  return tell;
}

}  // namespace nswarden
