// SPDX-License-Identifier: Apache-2.0
// All exported metrics, under the names that users rely on. The loop updates counters and histograms; gauges come from the
// snapshot at scrape time, so a scrape makes no kernel requests. The loop calls the counting functions; any thread may call
// text().
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <nswarden/engine/report.hpp>
#include <nswarden/policy/policy.hpp>
#include <nswarden/report/snapshot.hpp>

namespace nswarden {

enum class Trigger { startup, interval, reload, lost };
std::string_view to_string(Trigger trigger);
enum class ComplianceTrigger { create, drift };

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// Creates all series of these policies at 0. Existing counts are kept.
  void register_policies(const PolicySet& policies);

  void drift_detected(std::string_view policy, std::string_view key, Source source);
  /// Counts a drift detected by a write event; `comm` of the writer, empty when unknown.
  void drift_written(std::string_view comm);
  void write_attempt(std::string_view policy, Outcome outcome, int error);
  /// `failure`: one of all_command_failures, empty for a success.
  void command_attempt(std::string_view policy, std::string_view failure);
  void commands_dropped(std::string_view policy, std::size_t count);
  /// `event`: an inotify name for source inotify, "change" for mount, "link" for netlink, "write" for sysctl.
  void event(std::string_view source, std::string_view event, std::size_t count = 1);
  void overflow(std::string_view source);
  void reconciled(Trigger trigger, std::chrono::nanoseconds loop_time);
  void became_compliant(ComplianceTrigger trigger, std::chrono::nanoseconds after);
  void reloaded(bool success);
  /// Any thread, one at a time.
  void web_config_reloaded(bool success);

  /// Prometheus text format 0.0.4. Label values pass printable().
  [[nodiscard]] std::string text(const Snapshot& snapshot) const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace nswarden
