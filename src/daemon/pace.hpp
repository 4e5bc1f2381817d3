// SPDX-License-Identifier: Apache-2.0
// Bounds the time that other processes can make the daemon spend without use to a hundredth of a core, after a little that is free.
// In a file of its own, because the test drives it with times of its own. Pure; time is given. For WriteEvents.
#pragma once

#include <algorithm>
#include <chrono>

namespace nswarden {

class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::nanoseconds;

  /// Work until `now`, for so long, was for nothing. How long to rest for that: never so long that what is worth doing is late by more
  /// than `longest_rest`.
  Duration rest_after(Duration spent, Time now) {
    left_ = std::min<Duration>(left_ + (now - last_) / share, free);
    last_ = now;
    left_ = std::max<Duration>(left_ - spent - wake_up, -longest_rest / share);
    return left_ < Duration(0) ? -left_ * share : Duration(0);
  }

  static constexpr int share = 100;
  /// What being woken costs, which no clock of ours sees: measured as 20 to 25 us of CPU.
  static constexpr Duration wake_up = std::chrono::microseconds(25);
  static constexpr Duration longest_rest = std::chrono::milliseconds(10);
  /// Others configure hundreds of netns at once now and then, which is not worth being late for.
  static constexpr Duration free = std::chrono::milliseconds(100);

 private:
  Duration left_ = free;
  Time last_;
};

}  // namespace nswarden
