// SPDX-License-Identifier: Apache-2.0
// Which policies' commands were due in the life of a netns: of those that are known, and of those that are not known any more,
// since one that loses its last name and gets another is still the same netns. Loop thread only; for the reconciler.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nswarden/policy/policy.hpp>

namespace nswarden {

/// Policies that reports of the life of one netns have named as newly matched, ascending.
class AnnouncedPolicies {
 public:
  /// `policies`: announced earlier in this life; none when it is not known.
  void begin_life(std::optional<std::vector<PolicyIndex>> policies) {
    policies_ = std::move(policies);
    open_ = true;
  }
  void plan_changed() { open_ = true; }

  /// Whether others than before may match.
  [[nodiscard]] bool open() const { return open_; }
  /// Those of `matched` that match it for the first time in its life.
  std::vector<PolicyIndex> announce(const std::vector<PolicyIndex>& matched) {
    const std::vector<PolicyIndex> before = std::move(policies_).value_or(std::vector<PolicyIndex>{});
    std::vector<PolicyIndex> added;
    std::set_difference(matched.begin(), matched.end(), before.begin(), before.end(), std::back_inserter(added));
    std::vector<PolicyIndex> all;
    std::set_union(matched.begin(), matched.end(), before.begin(), before.end(), std::back_inserter(all));
    take_as_announced(std::move(all));
    return added;
  }
  /// These, and no others, count as announced.
  void take_as_announced(std::vector<PolicyIndex> policies) {
    policies_ = std::move(policies);
    open_ = false;
  }

  /// Empty when its reports matched no policy, none before the first report.
  [[nodiscard]] const std::optional<std::vector<PolicyIndex>>& policies() const { return policies_; }

 private:
  std::optional<std::vector<PolicyIndex>> policies_;
  bool open_ = true;
};

/// Of netns that are not known any more. Of the newest ones only, since most that go have died.
class AnnouncedLives {
 public:
  /// Of the netns with this cookie (0, of a kernel that has none, is not remembered).
  void remember(std::uint64_t cookie, std::vector<PolicyIndex> policies) {
    if (cookie == 0) return;
    if (order_.size() >= most) {
      lives_.erase(order_.front());
      order_.pop_front();
    }
    order_.push_back(cookie);
    lives_[cookie] = std::move(policies);
  }

  /// None when it is not known.
  [[nodiscard]] std::optional<std::vector<PolicyIndex>> recall(std::uint64_t cookie) const {
    const auto found = lives_.find(cookie);
    return found == lives_.end() ? std::nullopt : std::optional(found->second);
  }

  /// Policies have other numbers now; to each of these lives all of them count as announced.
  void renumber(std::size_t policies) {
    std::vector<PolicyIndex> all(policies);
    for (std::size_t i = 0; i < policies; ++i) all[i] = static_cast<PolicyIndex>(i);
    for (auto& [cookie, announced] : lives_) announced = all;
  }

 private:
  static constexpr std::size_t most = 1000;
  std::unordered_map<std::uint64_t, std::vector<PolicyIndex>> lives_;
  std::deque<std::uint64_t> order_;  // oldest first; may hold one twice
};

}  // namespace nswarden
