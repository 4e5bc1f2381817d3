// SPDX-License-Identifier: Apache-2.0
// Distributes the reports of visits to the metrics, the log, the writers and the history of events. Loop thread only.
#pragma once

#include <nswarden/engine/reconciler.hpp>
#include <nswarden/policy/policy.hpp>
#include <nswarden/report/event_log.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/report/metrics.hpp>
#include <nswarden/report/writers.hpp>

namespace nswarden {

class ReportLog {
 public:
  ReportLog(Metrics& metrics, Log& log, Writers& writers, EventLog& events)
      : metrics_(metrics), log_(log), writers_(writers), events_(events) {}

  /// `policies`: those in force when the report was made; `unix_time`: `now` in seconds.
  void record(const Report& report, const PolicySet& policies, Time now, double unix_time);

  [[nodiscard]] std::size_t fixed() const { return fixed_; }
  [[nodiscard]] std::size_t failed() const { return failed_; }

 private:
  void record_life(const Report& report, const PolicySet& policies, double unix_time);
  void log_change(const Report& report, const Change& change, const KnownWriter& writer);
  void add_change_event(const Report& report, const Change& change, KnownWriter writer, double unix_time);
  KnownWriter find_writer(const Report& report, const Change& change);

  Metrics& metrics_;
  Log& log_;
  Writers& writers_;
  EventLog& events_;
  std::size_t fixed_ = 0;
  std::size_t failed_ = 0;
};

}  // namespace nswarden
