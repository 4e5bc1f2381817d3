// SPDX-License-Identifier: Apache-2.0
// Percentiles of measurements.
#pragma once

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace nswarden::bench {

/// Percentiles in microseconds.
class Figures {
 public:
  explicit Figures(std::vector<double> values) : sorted_(std::move(values)) { std::sort(sorted_.begin(), sorted_.end()); }
  [[nodiscard]] std::size_t count() const { return sorted_.size(); }
  /// The smallest value that at least this share of all values does not exceed.
  [[nodiscard]] double at(double share) const {
    if (sorted_.empty()) return 0;
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted_.size())));
    return sorted_[std::min(std::max<std::size_t>(rank, 1), sorted_.size()) - 1];
  }
  [[nodiscard]] nlohmann::json json() const {
    nlohmann::json all{{"count", count()}, {"p50", at(0.5)}, {"p99", at(0.99)}, {"p999", at(0.999)}, {"max", at(1)}};
    // Points for a plot: even steps up to the median, then ever finer ones for the tail.
    nlohmann::json& curve = all["curve"];
    for (int i = 1; i <= 10; ++i) curve.push_back({i * 0.05, at(i * 0.05)});
    for (double rest = 0.4; rest * static_cast<double>(count()) >= 1; rest *= 0.8) curve.push_back({1 - rest, at(1 - rest)});
    curve.push_back({1, at(1)});
    return all;
  }

 private:
  std::vector<double> sorted_;
};

}  // namespace nswarden::bench
