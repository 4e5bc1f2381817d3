// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/line_limiter.hpp>

#include <iterator>
#include <utility>

namespace nswarden {

std::optional<std::size_t> LineLimiter::admit(std::string_view topic, Time now) {
  Topic& entry = find(topic, now);
  if (now - entry.since >= window) {
    entry.since = now;
    entry.lines = 0;
  }
  if (entry.lines == burst) {
    ++entry.left_out;
    return std::nullopt;
  }
  ++entry.lines;
  return std::exchange(entry.left_out, 0);
}

LineLimiter::Topic& LineLimiter::find(std::string_view name, Time now) {
  const auto found = topics_.find(name);
  if (found != topics_.end()) return found->second;
  if (topics_.size() >= max_topics && now >= next_cleaning_) {
    // At most once a second, or else each line of a flood of new topics would walk all the old ones.
    next_cleaning_ = now + std::chrono::seconds{1};
    for (auto it = topics_.begin(); it != topics_.end();) {
      it = now - it->second.since >= window ? topics_.erase(it) : std::next(it);
    }
  }
  if (topics_.size() >= max_topics) return shared_;
  return topics_.emplace(name, Topic{now, 0, 0}).first->second;
}

}  // namespace nswarden
