// SPDX-License-Identifier: Apache-2.0
#include "app/report_log.hpp"

#include <string>
#include <system_error>

namespace nswarden::app {

using core::Change;
using core::Report;

namespace {

std::string names_of(const std::vector<core::PolicyIndex>& indices, const core::PolicySet& policies) {
  std::string names;
  for (const core::PolicyIndex index : indices) names += (names.empty() ? "" : ",") + policies.policies()[index].name;
  return names;
}

}  // namespace

void ReportLog::tell(const Report& report, const core::PolicySet& policies, core::Time now) {
  for (const core::Attempt& attempt : report.attempts) {
    metrics_.write_attempt(policies.policies()[attempt.policy].name, attempt.outcome, attempt.error);
    ++(attempt.outcome == core::Outcome::fixed ? fixed_ : failed_);
  }
  if (report.first_seen) metrics_.became_compliant(ComplianceTrigger::create, now - *report.first_seen);
  tell_life(report, policies);
  for (const Change& change : report.changes) {
    if (change.detected) metrics_.drift_detected(change.finding.policy, change.finding.key, report.source);
    tell_change(report, change);
  }
}

void ReportLog::tell_life(const Report& report, const core::PolicySet& policies) {
  const std::string topic = "life " + report.netns;
  const LogField netns{"netns", report.netns};
  switch (report.life) {
    case Report::Life::unchanged: break;
    case Report::Life::governed:
      log_.limited(topic, LogLevel::info, "netns governed", {netns, {"policies", names_of(report.newly_matched, policies)}});
      break;
    case Report::Life::unmatched: log_.debug("no policy matches this netns", {netns}); break;
    case Report::Life::gone: log_.limited(topic, LogLevel::info, "netns gone", {netns}); break;
    case Report::Life::host_refused:
      log_.limited("host netns", LogLevel::warn, "this name leads to the host's own netns; nothing is done there", {netns});
      break;
    case Report::Life::cannot_enter:
      log_.limited(topic, LogLevel::warn, "cannot enter netns",
                   {netns, {"step", report.error.attempt}, {"error", std::generic_category().message(report.error.code)}});
      break;
  }
}

void ReportLog::tell_change(const Report& report, const Change& change) {
  const core::Finding& finding = change.finding;
  const std::string topic = finding.netns + '\0' + finding.key;
  const LogField netns{"netns", finding.netns};
  const LogField policy{"policy", finding.policy};
  const LogField key{"key", finding.key};
  const LogField have{"have", finding.have};
  const LogField want{"want", finding.want};
  const LogField source{"source", core::to_string(report.source)};
  if (change.what == Change::What::repaired) {
    return log_.limited(topic, LogLevel::info, "sysctl repaired", {netns, policy, key, have, want, source});
  }
  if (change.what == Change::What::recovered) {
    return log_.limited(topic, LogLevel::info, "sysctl right again", {netns, policy, key, want, source});
  }
  const LogField state{"state", core::to_string(finding.state)};
  if (change.attempted) {
    const int error = change.error != 0 ? change.error : finding.error;
    const std::string why = error != 0                                 ? std::generic_category().message(error)
                            : change.outcome == core::Outcome::clamped ? "the kernel stores another value than the one written"
                                                                       : "another value was read back than the one written";
    return log_.limited(
        topic, LogLevel::warn, "sysctl not repaired",
        {netns, policy, key, have, want, state, {"outcome", core::to_string(change.outcome)}, {"error", why}, source});
  }
  if (finding.error != 0) {
    const std::string why = std::generic_category().message(finding.error);
    return log_.limited(topic, LogLevel::warn, "sysctl unreadable", {netns, policy, key, want, {"error", why}, source});
  }
  if (finding.state == core::State::missing) {
    return log_.limited(topic, LogLevel::warn, "sysctl missing", {netns, policy, key, want, source});
  }
  log_.limited(topic, LogLevel::warn, "sysctl drifted", {netns, policy, key, have, want, source});
}

}  // namespace nswarden::app
