// SPDX-License-Identifier: Apache-2.0
// Damping limits how often one setting may be repaired. Repairs within a budget are free. When another program keeps changing
// the setting back, repairs are suspended and retried with a growing delay until the setting stays compliant. Without such a
// limit, two enforcers write tens of thousands of times a second (kernel fact 32). Pure; the caller passes the time.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace nswarden {

using Time = std::chrono::steady_clock::time_point;

struct DampingRules {
  unsigned repairs = 5;                     ///< number of free repairs ...
  std::chrono::milliseconds within{10000};  ///< ... in this period
  std::chrono::seconds shortest{1};         ///< delay between repairs while suspended, doubled each time ...
  std::chrono::seconds longest{300};        ///< ... up to this limit
};

class Damping {
 public:
  [[nodiscard]] bool suspended() const { return suspended_; }
  [[nodiscard]] bool may_write(Time now) const { return !suspended_ || now >= retry_at_; }
  /// Current delay between repairs while suspended.
  [[nodiscard]] std::chrono::seconds delay() const { return delay_; }
  /// While suspended: the time of the next repair or, when the setting is compliant, the time to check whether it has stayed
  /// so.
  [[nodiscard]] Time due(const DampingRules& rules) const {
    return compliant_since_ ? calm_at(*compliant_since_, rules) : retry_at_;
  }
  /// Time at which this state can be discarded; never while suspended.
  [[nodiscard]] Time ends(const DampingRules& rules) const { return suspended_ ? Time::max() : since_ + rules.within; }

  /// The setting was found drifted. True when this suspends it.
  bool found_drifted(Time now, const DampingRules& rules) {
    compliant_since_.reset();
    if (suspended_ || repairs_ < rules.repairs || now - since_ >= rules.within) return false;
    suspended_ = true;
    delay_ = rules.shortest;
    retry_at_ = now + delay_;
    return true;
  }

  /// The setting was found compliant. True when this ends the suspension.
  bool found_compliant(Time now, const DampingRules& rules) {
    if (!suspended_) return false;
    if (!compliant_since_) compliant_since_ = now;
    if (now < calm_at(*compliant_since_, rules)) return false;
    *this = Damping();
    return true;
  }

  void repaired(Time now, const DampingRules& rules) {
    if (suspended_) {
      delay_ = std::min(delay_ * 2, rules.longest);
      retry_at_ = now + delay_;
      return;
    }
    if (repairs_ == 0 || now - since_ >= rules.within) {
      since_ = now;
      repairs_ = 0;
    }
    ++repairs_;
  }

 private:
  [[nodiscard]] Time calm_at(Time compliant_since, const DampingRules& rules) const {
    return compliant_since + std::max<std::chrono::milliseconds>(rules.within, delay_);
  }

  bool suspended_ = false;
  unsigned repairs_ = 0;  // since `since_`
  Time since_;
  Time retry_at_;
  std::chrono::seconds delay_{0};
  std::optional<Time> compliant_since_;  // while suspended
};

}  // namespace nswarden
