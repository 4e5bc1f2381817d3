// SPDX-License-Identifier: Apache-2.0
#include <prometheus/client_metric.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nswarden/base/build_info.hpp>
#include <nswarden/base/text.hpp>
#include <nswarden/report/metrics.hpp>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "report/gauges.hpp"

namespace nswarden {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr std::array<std::string_view, 4> trigger_names{"startup", "interval", "reload", "lost"};  // in the order of Trigger
// Events of the watcher; series for other names are created when first counted.
constexpr std::array<std::string_view, 6> inotify_events{"IN_CREATE",   "IN_DELETE",      "IN_MOVED_FROM",
                                                         "IN_MOVED_TO", "IN_DELETE_SELF", "IN_MOVE_SELF"};

// Any process that may write a sysctl may also choose its own name.
constexpr std::size_t max_writers = 50;

// A sweep of 100 netns takes about 0.2 ms; a sweep of 10000 netns with 20 keys, about 0.3 s.
constexpr double reconcile_buckets[] = {1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2,
                                        5e-2, 0.1,    0.25, 0.5,  1,      2.5,  5,    10};

// From a drift detected by its event (tens of us) to one found by the sweep, with back-off against a rival writer.
constexpr double compliance_buckets[] = {5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2,
                                         0.1,  0.25, 0.5,    1,    2.5,  5,      10,   30,   60};

// Lock-free: one thread counts and others read. With a lock, the loop would wait for scraping threads of lower priority.

/// The series of one family. Only creating a series takes prometheus-cpp's lock.
class CounterSeries {
 public:
  CounterSeries(prometheus::Family<prometheus::Counter>& family, std::vector<std::string> labels)
      : family_(family), labels_(std::move(labels)) {}

  /// Finds the series by its label values, shown printable(). That mapping is injective, so each has its own series.
  prometheus::Counter& of(std::initializer_list<std::string_view> values) {
    key_.clear();
    for (const std::string_view value : values) {
      key_ += value;
      key_ += '\0';
    }
    if (const auto known = known_.find(key_); known != known_.end()) return *known->second;
    prometheus::Labels labels;
    auto label = labels_.begin();
    for (const std::string_view value : values) labels.emplace(*label++, printable(value));
    prometheus::Counter& counter = family_.Add(labels);
    known_.emplace(key_, &counter);
    return counter;
  }

 private:
  prometheus::Family<prometheus::Counter>& family_;
  std::vector<std::string> labels_;
  std::unordered_map<std::string, prometheus::Counter*> known_;
  std::string key_;  // a member to reuse its memory
};

class LoopHistogram {
 public:
  /// `bounds`: upper bounds, ascending; they outlive the histogram. Adds infinity.
  explicit LoopHistogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}

  void observe(double value) {
    // Only one thread counts, so neither addition needs to be atomic.
    auto& count = counts_[static_cast<std::size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin())];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }

  /// The count is the sum of the buckets, even during a concurrent update.
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
  std::span<const double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

}  // namespace

std::string_view to_string(Trigger trigger) { return trigger_names.at(static_cast<std::size_t>(trigger)); }

struct Metrics::Families {
  prometheus::Registry registry;

  CounterSeries counter(const char* name, const char* help, std::vector<std::string> labels) {
    return {prometheus::BuildCounter().Name(name).Help(help).Register(registry), std::move(labels)};
  }

  CounterSeries drift_detected =
      counter("nswarden_drift_detected_total", "Drifts detected, by the reason for the check.", {"policy", "sysctl", "source"});
  CounterSeries drift_writers = counter("nswarden_drift_writers_total",
                                        "Drifts detected by the event of a write, by the name (comm) of the writer; "
                                        "other: names after the first 50, and a writer named unknown; "
                                        "unknown: writers whose name could not be read.",
                                        {"comm"});
  CounterSeries actions = counter("nswarden_actions_total", "Writes to sysctls and commands of the policy, by result.",
                                  {"policy", "action", "result"});
  CounterSeries action_failures =
      counter("nswarden_action_failures_total", "Failed writes to sysctls and commands of the policy, by reason.",
              {"policy", "action", "reason"});
  CounterSeries commands_dropped =
      counter("nswarden_commands_dropped_total", "Commands that were not run because too many waited.", {"policy"});
  CounterSeries events = counter("nswarden_events_total", "Events that report a possible change.", {"source", "event"});
  CounterSeries overflows =
      counter("nswarden_event_overflows_total",
              "Losses of events, dropped by the kernel or hidden by their originator; sweeps follow.", {"source"});
  CounterSeries reconciles = counter("nswarden_reconciles_total", "Completed sweeps over all network namespaces.", {"trigger"});
  CounterSeries reloads = counter("nswarden_config_reloads_total", "Attempts to reload the configuration.", {"result"});
  CounterSeries web_reloads =
      counter("nswarden_web_config_reloads_total",
              "Attempts to reload the file of --web.config.file and the files that it names.", {"result"});
  std::atomic<bool> web_config_good{true};
  LoopHistogram reconcile_duration{reconcile_buckets};
  LoopHistogram compliance_create{compliance_buckets};
  LoopHistogram compliance_drift{compliance_buckets};
  std::set<std::string, std::less<>> writers;  // with their own series; loop thread only

  void register_attempts(std::string_view policy, std::string_view action, std::span<const std::string_view> reasons) {
    for (const char* result : {"success", "failure"}) actions.of({policy, action, result});
    for (const std::string_view reason : reasons) action_failures.of({policy, action, reason});
  }
  /// `failure`: the reason; empty for a success.
  void count_attempt(std::string_view policy, std::string_view action, std::string_view failure) {
    actions.of({policy, action, failure.empty() ? "success" : "failure"}).Increment();
    if (!failure.empty()) action_failures.of({policy, action, failure}).Increment();
  }

  /// Families outside the registry.
  [[nodiscard]] std::vector<prometheus::MetricFamily> collect_own() const {
    using prometheus::MetricFamily;
    using prometheus::MetricType;
    MetricFamily good{
        "nswarden_web_config_last_reload_successful",
        "Whether the file of --web.config.file was valid (1) or rejected (0) when it was last read; 1 without one.",
        MetricType::Gauge,
        {{}}};
    good.metric.front().gauge.value = web_config_good ? 1 : 0;
    MetricFamily duration{"nswarden_reconcile_duration_seconds",
                          "Duration of a sweep, without the other work of the loop in between.",
                          MetricType::Histogram,
                          {reconcile_duration.collect()}};
    MetricFamily compliance{"nswarden_time_to_compliance_seconds",
                            "Time from the first sign of a network namespace, or from the event of a write, until compliance.",
                            MetricType::Histogram,
                            {compliance_create.collect(), compliance_drift.collect()}};
    compliance.metric[0].label = {{"trigger", "create"}};
    compliance.metric[1].label = {{"trigger", "drift"}};
    return {std::move(good), std::move(duration), std::move(compliance)};
  }
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {
  for (const std::string_view trigger : trigger_names) families_->reconciles.of({trigger});
  for (const char* result : {"success", "failure"}) {
    families_->reloads.of({result});
    families_->web_reloads.of({result});
  }
  for (const std::string_view name : inotify_events) families_->events.of({"inotify", name});
  families_->events.of({"mount", "change"});
  families_->events.of({"netlink", "link"});
  families_->events.of({"sysctl", "write"});
  for (const char* source : {"inotify", "netlink", "sysctl"}) families_->overflows.of({source});
  for (const char* comm : {"other", "unknown"}) families_->drift_writers.of({comm});
}

Metrics::~Metrics() = default;

void Metrics::register_policies(const PolicySet& policies) {
  for (const PolicySet::Policy& policy : policies.policies()) {
    for (const KeyIndex key : policy.keys) {
      for (const Source source : all_sources) {
        families_->drift_detected.of({policy.name, policies.keys()[key].name(), to_string(source)});
      }
    }
    if (!policy.keys.empty()) families_->register_attempts(policy.name, "write", all_failure_reasons);
    if (policy.commands->empty()) continue;
    families_->register_attempts(policy.name, "command", all_command_failures);
    families_->commands_dropped.of({policy.name});
  }
}

void Metrics::drift_detected(std::string_view policy, std::string_view key, Source source) {
  families_->drift_detected.of({policy, key, to_string(source)}).Increment();
}

void Metrics::drift_written(std::string_view comm) {
  if (comm.empty()) return families_->drift_writers.of({"unknown"}).Increment();
  if (families_->writers.size() < max_writers && comm != "other" && comm != "unknown") families_->writers.emplace(comm);
  families_->drift_writers.of({families_->writers.contains(comm) ? comm : "other"}).Increment();
}

void Metrics::write_attempt(std::string_view policy, Outcome outcome, int error) {
  if (outcome == Outcome::fixed) return families_->count_attempt(policy, "write", {});
  families_->count_attempt(policy, "write", outcome == Outcome::clamped ? "readback" : failure_reason(error));
}

void Metrics::command_attempt(std::string_view policy, std::string_view failure) {
  families_->count_attempt(policy, "command", failure);
}

void Metrics::commands_dropped(std::string_view policy, std::size_t count) {
  families_->commands_dropped.of({policy}).Increment(static_cast<double>(count));
}

void Metrics::event(std::string_view source, std::string_view event, std::size_t count) {
  families_->events.of({source, event}).Increment(static_cast<double>(count));
}

void Metrics::overflow(std::string_view source) { families_->overflows.of({source}).Increment(); }

void Metrics::reconciled(Trigger trigger, std::chrono::nanoseconds loop_time) {
  families_->reconciles.of({to_string(trigger)}).Increment();
  families_->reconcile_duration.observe(Seconds(loop_time).count());
}

void Metrics::became_compliant(ComplianceTrigger trigger, std::chrono::nanoseconds after) {
  LoopHistogram& histogram = trigger == ComplianceTrigger::create ? families_->compliance_create : families_->compliance_drift;
  histogram.observe(Seconds(after).count());
}

void Metrics::reloaded(bool success) { families_->reloads.of({success ? "success" : "failure"}).Increment(); }

void Metrics::web_config_reloaded(bool success) {
  families_->web_reloads.of({success ? "success" : "failure"}).Increment();
  families_->web_config_good = success;
}

std::string Metrics::text(const Snapshot& snapshot) const {
  std::vector<prometheus::MetricFamily> all = families_->registry.Collect();
  for (prometheus::MetricFamily& family : families_->collect_own()) all.push_back(std::move(family));
  for (prometheus::MetricFamily& family : gauges_of(snapshot, build_info())) all.push_back(std::move(family));
  // The registry is a hash table. Sorting makes two scrapes of the same state equal.
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (prometheus::MetricFamily& family : all) {
    std::sort(family.metric.begin(), family.metric.end(), [](const auto& a, const auto& b) { return a.label < b.label; });
  }
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace nswarden
