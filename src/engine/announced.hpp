// SPDX-License-Identifier: Apache-2.0
// Which policies' commands were due in the lives of netns that are not known any more: one that loses its last name and gets another
// is still the same netns. Of the newest ones only, since most that go have died. Only for the reconciler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nswarden/policy/policy.hpp>

namespace nswarden {

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
    if (found == lives_.end()) return std::nullopt;
    return found->second;
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
