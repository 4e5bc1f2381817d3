// SPDX-License-Identifier: Apache-2.0
// Policies whose commands were due in the life of a netns. Kept for known netns and for forgotten ones, since a netns that
// loses its last name and gets another is still the same netns. Loop thread only; for the reconciler.
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

/// Policies that the reports of one netns have named as newly matched in its life, ascending.
class AnnouncedPolicies {
 public:
  /// `policies`: announced earlier in this life; nullopt when unknown.
  void begin_life(std::optional<std::vector<PolicyIndex>> policies) {
    policies_ = std::move(policies);
    open_ = true;
  }
  void plan_changed() { open_ = true; }

  /// Whether policies that are not announced yet may match.
  [[nodiscard]] bool open() const { return open_; }
  /// Returns those of `matched` that match it for the first time in its life.
  std::vector<PolicyIndex> announce(const std::vector<PolicyIndex>& matched) {
    const std::vector<PolicyIndex> before = std::move(policies_).value_or(std::vector<PolicyIndex>{});
    std::vector<PolicyIndex> added;
    std::set_difference(matched.begin(), matched.end(), before.begin(), before.end(), std::back_inserter(added));
    std::vector<PolicyIndex> all;
    std::set_union(matched.begin(), matched.end(), before.begin(), before.end(), std::back_inserter(all));
    take_as_announced(std::move(all));
    return added;
  }
  /// Counts exactly these as announced.
  void take_as_announced(std::vector<PolicyIndex> policies) {
    policies_ = std::move(policies);
    open_ = false;
  }

  /// An empty list when its reports matched no policy, nullopt before the first report.
  [[nodiscard]] const std::optional<std::vector<PolicyIndex>>& policies() const { return policies_; }

 private:
  std::optional<std::vector<PolicyIndex>> policies_;
  bool open_ = true;
};

/// Policies announced to forgotten netns. Keeps the newest netns only, since most removed netns have died.
class AnnouncedLives {
 public:
  /// Does not remember cookie 0, of a netns that was never bound.
  void remember(std::uint64_t cookie, std::vector<PolicyIndex> policies) {
    if (cookie == 0) return;
    if (order_.size() >= capacity) {
      lives_.erase(order_.front());
      order_.pop_front();
    }
    order_.push_back(cookie);
    lives_[cookie] = std::move(policies);
  }

  /// nullopt for an unknown cookie.
  [[nodiscard]] std::optional<std::vector<PolicyIndex>> recall(std::uint64_t cookie) const {
    const auto found = lives_.find(cookie);
    return found == lives_.end() ? std::nullopt : std::optional(found->second);
  }

  /// The policies have new indices: counts all of them as announced to each of these netns.
  void renumber(std::size_t policies) {
    std::vector<PolicyIndex> all(policies);
    for (std::size_t i = 0; i < policies; ++i) all[i] = static_cast<PolicyIndex>(i);
    for (auto& [cookie, announced] : lives_) announced = all;
  }

 private:
  static constexpr std::size_t capacity = 1000;
  std::unordered_map<std::uint64_t, std::vector<PolicyIndex>> lives_;
  std::deque<std::uint64_t> order_;  // oldest first; may contain a cookie twice
};

}  // namespace nswarden
