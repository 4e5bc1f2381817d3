// SPDX-License-Identifier: Apache-2.0
// Counters and histograms that one thread counts in and others read, without a lock: a lock would be held, during a scrape, by threads of
// lower priority, for which the loop would then wait.
#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace nswarden {

/// The series of one family. Only making a new one takes prometheus-cpp's lock.
class CounterSeries {
 public:
  CounterSeries(prometheus::Family<prometheus::Counter>& family, std::vector<std::string> labels)
      : family_(family), labels_(std::move(labels)) {}

  /// By the values of the labels, as they are to be shown.
  prometheus::Counter& of(std::initializer_list<std::string_view> values) {
    key_.clear();
    for (const std::string_view value : values) {
      key_ += value;
      key_ += '\0';
    }
    if (const auto known = known_.find(key_); known != known_.end()) return *known->second;
    prometheus::Labels labels;
    auto label = labels_.begin();
    for (const std::string_view value : values) labels.emplace(*label++, value);
    prometheus::Counter& counter = family_.Add(labels);
    known_.emplace(key_, &counter);
    return counter;
  }

 private:
  prometheus::Family<prometheus::Counter>& family_;
  std::vector<std::string> labels_;
  std::unordered_map<std::string, prometheus::Counter*> known_;
  std::string key_;  // that its memory is used again
};

class LoopHistogram {
 public:
  /// `bounds`: upper ones, ascending; infinity is added.
  explicit LoopHistogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void observe(double value) {
    const auto bucket = static_cast<std::size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
    add_one(counts_[bucket]);
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }

  /// The count is that of the buckets, also while something is being counted.
  [[nodiscard]] prometheus::ClientMetric collect() const {
    prometheus::ClientMetric metric;
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      cumulative += counts_[i].load(std::memory_order_relaxed);
      const double bound = i < bounds_.size() ? bounds_[i] : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back({cumulative, bound});
    }
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = sum_.load(std::memory_order_relaxed);
    return metric;
  }

 private:
  /// There is one thread that counts.
  static void add_one(std::atomic<std::uint64_t>& count) {
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

}  // namespace nswarden
