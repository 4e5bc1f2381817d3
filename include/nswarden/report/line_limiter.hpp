// SPDX-License-Identifier: Apache-2.0
// How often a topic may be logged: a number of lines for each topic and minute, in bounded memory whatever the topics are.
// Pure, time is an argument. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace nswarden {

class LineLimiter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t burst = 10;
  static constexpr std::chrono::minutes window{1};
  static constexpr std::size_t max_topics = 1024;

  /// None when the line is to be left out; else how many lines of the topic were left out since the last one that was not.
  /// Topics beyond max_topics share one allowance until others fall silent.
  std::optional<std::size_t> admit(std::string_view topic, Time now);

  [[nodiscard]] std::size_t topics() const { return topics_.size(); }

 private:
  struct Topic {
    Time since;
    std::size_t lines = 0;
    std::size_t left_out = 0;
  };
  Topic& find(std::string_view name, Time now);

  std::map<std::string, Topic, std::less<>> topics_;
  Topic shared_;
  Time next_cleaning_{};
};

}  // namespace nswarden
