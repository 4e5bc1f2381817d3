// SPDX-License-Identifier: Apache-2.0
// The one place where a report fans out: what is counted, and what is said in the log. Loop thread only.
#pragma once

#include <nswarden/app/log.hpp>
#include <nswarden/app/metrics.hpp>
#include <nswarden/core/policy.hpp>
#include <nswarden/core/reconciler.hpp>

namespace nswarden::app {

class ReportLog {
 public:
  ReportLog(Metrics& metrics, Log& log) : metrics_(metrics), log_(log) {}

  /// `policies` are those that the report was made under.
  void tell(const core::Report& report, const core::PolicySet& policies, core::Time now);

  [[nodiscard]] std::size_t fixed() const { return fixed_; }
  [[nodiscard]] std::size_t failed() const { return failed_; }

 private:
  void tell_life(const core::Report& report, const core::PolicySet& policies);
  void tell_change(const core::Report& report, const core::Change& change);

  Metrics& metrics_;
  Log& log_;
  std::size_t fixed_ = 0;
  std::size_t failed_ = 0;
};

}  // namespace nswarden::app
