// SPDX-License-Identifier: Apache-2.0
// How often one setting may be repaired: freely within a budget, and when another program keeps changing it back, only now and
// then, until it calms down. Two enforcers without such a thing write tens of thousands of times a second (kernel fact 32).
// Pure; time is given.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace nswarden {

using Time = std::chrono::steady_clock::time_point;

struct DampingRules {
  unsigned repairs = 5;                     ///< so many are free ...
  std::chrono::milliseconds within{10000};  ///< ... in this time
  std::chrono::seconds shortest{1};         ///< of suspended: from one repair to the next, doubled each time ...
  std::chrono::seconds longest{300};        ///< ... up to this
};

class Damping {
 public:
  [[nodiscard]] bool suspended() const { return suspended_; }
  [[nodiscard]] bool may_write(Time now) const { return !suspended_ || now >= retry_at_; }
  /// How long it is suspended for, from now on.
  [[nodiscard]] std::chrono::seconds delay() const { return delay_; }
  /// When there is something to do, while suspended: to write it, or, when it is right, to see that it has calmed down.
  [[nodiscard]] Time due(const DampingRules& rules) const { return right_since_ ? calm_at(*right_since_, rules) : retry_at_; }
  /// When it has nothing more to remember; never while suspended.
  [[nodiscard]] Time ends(const DampingRules& rules) const { return suspended_ ? Time::max() : since_ + rules.within; }

  /// The setting is found to be wrong. True when it becomes suspended by that.
  bool found_wrong(Time now, const DampingRules& rules) {
    right_since_.reset();
    if (suspended_ || made_ < rules.repairs || now - since_ >= rules.within) return false;
    suspended_ = true;
    delay_ = rules.shortest;
    retry_at_ = now + delay_;
    return true;
  }

  /// The setting is found to be right. True when it is suspended no longer by that.
  bool found_right(Time now, const DampingRules& rules) {
    if (!suspended_) return false;
    if (!right_since_) right_since_ = now;
    if (now < calm_at(*right_since_, rules)) return false;
    *this = Damping();
    return true;
  }

  void repaired(Time now, const DampingRules& rules) {
    if (suspended_) {
      delay_ = std::min(delay_ * 2, rules.longest);
      retry_at_ = now + delay_;
      return;
    }
    if (made_ == 0 || now - since_ >= rules.within) {
      since_ = now;
      made_ = 0;
    }
    ++made_;
  }

 private:
  [[nodiscard]] Time calm_at(Time right_since, const DampingRules& rules) const {
    return right_since + std::max<std::chrono::milliseconds>(rules.within, delay_);
  }

  bool suspended_ = false;
  unsigned made_ = 0;  // since `since_`
  Time since_;
  Time retry_at_;
  std::chrono::seconds delay_{0};
  std::optional<Time> right_since_;  // while suspended
};

}  // namespace nswarden
