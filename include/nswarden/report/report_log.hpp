// SPDX-License-Identifier: Apache-2.0
// The one place where a report fans out: what is counted, what is said in the log, what the events API tells. Loop thread only.
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

  /// `policies` are those that the report was made under; `unix_time` is `now` in seconds.
  void tell(const Report& report, const PolicySet& policies, Time now, double unix_time);

  [[nodiscard]] std::size_t fixed() const { return fixed_; }
  [[nodiscard]] std::size_t failed() const { return failed_; }

 private:
  void tell_life(const Report& report, const PolicySet& policies);
  void tell_change(const Report& report, const Change& change, const Writers::Known& writer);
  void tell_fight(const Change& change, const Writers::Known& opponent);
  void keep_life(const Report& report, double unix_time);
  void keep_change(const Report& report, const Change& change, Writers::Known writer, double unix_time);
  Writers::Known name_writer(const Report& report, const Change& change);

  Metrics& metrics_;
  Log& log_;
  Writers& writers_;
  EventLog& events_;
  std::size_t fixed_ = 0;
  std::size_t failed_ = 0;
};

}  // namespace nswarden
