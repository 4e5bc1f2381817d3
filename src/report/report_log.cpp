// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/report_log.hpp>

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

std::string names_of(const std::vector<PolicyIndex>& indices, const PolicySet& policies) {
  std::string names;
  for (const PolicyIndex index : indices) names += (names.empty() ? "" : ",") + policies.policies()[index].name;
  return names;
}

/// Why a setting is still drifted after a failed attempt or read; empty when it only has another value.
std::string failure_text(const Change& change) {
  const int error = change.attempted && change.error != 0 ? change.error : change.finding.error;
  if (error != 0) return error_text(error);
  if (!change.attempted) return {};
  return change.outcome == Outcome::clamped ? "the kernel stores another value than the one written"
                                            : "the value read back differs from the one written";
}

Event::Kind event_of(const Change& change) {
  switch (change.kind) {
    case Change::Kind::drifted: return change.attempted ? Event::Kind::failure : Event::Kind::drift;
    case Change::Kind::repaired: return Event::Kind::repair;
    case Change::Kind::recovered: return Event::Kind::recovery;
    case Change::Kind::not_repaired: return Event::Kind::failure;
    case Change::Kind::suspended: return Event::Kind::suspend;
    case Change::Kind::calmed: return Event::Kind::calm;
    case Change::Kind::contradicted: return Event::Kind::contradiction;
  }
  return Event::Kind::drift;
}

}  // namespace

void ReportLog::record(const Report& report, const PolicySet& policies, Time now, double unix_time) {
  for (const Attempt& attempt : report.attempts) {
    metrics_.write_attempt(policies.policies()[attempt.policy].name, attempt.outcome, attempt.error);
    ++(attempt.outcome == Outcome::fixed ? fixed_ : failed_);
  }
  if (report.first_seen) metrics_.became_compliant(ComplianceTrigger::create, now - *report.first_seen);
  if (report.write_seen) metrics_.became_compliant(ComplianceTrigger::drift, now - *report.write_seen);
  record_life(report, policies, unix_time);
  for (const Change& change : report.changes) {
    if (change.detected) metrics_.drift_detected(change.finding.policy, policies.keys()[change.written].name(), report.source);
    const KnownWriter writer = find_writer(report, change);
    log_change(report, change, writer);
    add_change_event(report, change, writer, unix_time);
  }
}

/// The writer of the drift in `change`. A drift without a known writer clears the previous name, which would otherwise appear
/// next to a value that it did not write.
KnownWriter ReportLog::find_writer(const Report& report, const Change& change) {
  const Finding& finding = change.finding;
  const bool is_over = change.kind == Change::Kind::recovered || change.kind == Change::Kind::calmed;
  if (is_over && !change.detected) return nullptr;
  KnownWriter writer;
  if (report.source == Source::event) {
    writer = writers_.writer_of(report.inode, change.setting);
    if (change.detected) metrics_.drift_written(writer ? writer->comm : std::string_view());
  }
  // Follows a drift that was already reported.
  const bool is_later = change.kind == Change::Kind::suspended || change.kind == Change::Kind::repaired;
  if (!writer && is_later && !change.detected) return writers_.last_writer(finding.netns, finding.key);
  const bool other_drift = change.detected || change.kind == Change::Kind::drifted;
  if (writer || other_drift) writers_.remember(finding.netns, finding.key, writer);
  return writer;
}

void ReportLog::add_change_event(const Report& report, const Change& change, KnownWriter writer, double unix_time) {
  Event event;
  event.kind = event_of(change);
  event.time = unix_time;
  event.finding = change.finding;
  event.source = report.source;
  if (event.kind == Event::Kind::drift || event.kind == Event::Kind::failure) event.error = failure_text(change);
  event.retry_in = change.retry_in;
  event.writer = std::move(writer);
  events_.add(std::move(event));
}

void ReportLog::record_life(const Report& report, const PolicySet& policies, double unix_time) {
  const std::string topic = "life " + report.netns;
  const LogField netns{"netns", report.netns};
  Event event;
  event.time = unix_time;
  event.finding.netns = report.netns;
  switch (report.life) {
    case Report::Life::unchanged: return;
    case Report::Life::unmatched: return log_.debug("no policy matches netns", {netns});
    case Report::Life::host_refused:
      return log_.limited("host netns", LogLevel::warn, "name refers to the host netns, ignored", {netns});
    case Report::Life::governed:
      log_.limited(topic, LogLevel::info, "netns governed", {netns, {"policies", names_of(report.newly_matched, policies)}});
      event.kind = Event::Kind::netns_governed;
      break;
    case Report::Life::gone:
      log_.limited(topic, LogLevel::info, "netns gone", {netns});
      event.kind = Event::Kind::netns_gone;
      break;
    case Report::Life::cannot_enter:
      event.error = error_text(report.error.code);
      log_.limited(topic, LogLevel::warn, "cannot enter netns",
                   {netns, {"step", report.error.attempt}, {"error", event.error}});
      event.kind = Event::Kind::netns_failure;
      break;
  }
  // Also when a netns appears: it is a new one, even if the removal of its predecessor was missed.
  if (event.kind != Event::Kind::netns_failure) writers_.forget(report.netns);
  events_.add(std::move(event));
}

void ReportLog::log_change(const Report& report, const Change& change, const KnownWriter& writer) {
  const Finding& finding = change.finding;
  const std::string topic = finding.netns + '\0' + finding.key;
  const LogField netns{"netns", finding.netns};
  const LogField policy{"policy", finding.policy};
  const LogField key{"key", finding.key};
  const LogField have{"have", finding.have};
  const LogField want{"want", finding.want};
  const LogField source{"source", to_string(report.source)};
  const std::string pid = writer && writer->pid != 0 ? std::to_string(writer->pid) : "";
  const std::string uid = writer && writer->uid ? std::to_string(*writer->uid) : "";
  const auto with_writer = [&](std::vector<LogField> fields) {
    if (!writer) return fields;
    const bool is_placed = !writer->unit.empty() || !writer->container.empty();
    const std::initializer_list<LogField> of_writer = {{"writer", writer->comm},
                                                       {"writer_pid", pid},
                                                       {"writer_exe", writer->exe},
                                                       {"writer_uid", uid},
                                                       {"writer_unit", writer->unit},
                                                       {"writer_container", writer->container},
                                                       {"writer_cgroup", is_placed ? std::string_view() : writer->cgroup}};
    std::copy_if(of_writer.begin(), of_writer.end(), std::back_inserter(fields),
                 [](const LogField& field) { return !field.value.empty(); });
    return fields;
  };
  // One line reports the start of a contention, another one its end.
  const auto level = [&](LogLevel usual) { return change.contended ? LogLevel::debug : usual; };
  switch (change.kind) {
    case Change::Kind::repaired:
      return log_.limited(topic, level(LogLevel::info), "sysctl repaired",
                          with_writer({netns, policy, key, have, want, source}));
    case Change::Kind::recovered:
      return log_.limited(topic, level(LogLevel::info), "sysctl compliant again", {netns, policy, key, want, source});
    case Change::Kind::contradicted:
      return log_.limited(topic, LogLevel::warn, "settings contradict each other: writing one changes the other",
                          {netns, policy, key, have, want, {"other", change.other}});
    // A separate topic, because earlier lines of the contention have used the allowance of the setting's topic. Labels are
    // never empty.
    case Change::Kind::suspended: {
      const std::string retry_in = format_duration(change.retry_in);
      return log_.limited('\0' + topic, LogLevel::warn, "sysctl suspended: another process keeps overwriting it",
                          with_writer({netns, policy, key, have, want, {"retry_in", retry_in}}));
    }
    case Change::Kind::calmed:
      return log_.limited('\0' + topic, LogLevel::info, "sysctl no longer contended, repair resumed",
                          {netns, policy, key, want});
    case Change::Kind::drifted:
    case Change::Kind::not_repaired: break;
  }
  const LogField state{"state", to_string(finding.state)};
  const std::string reason = failure_text(change);
  const LogField error{"error", reason};
  if (change.attempted) {
    const LogField outcome{"outcome", to_string(change.outcome)};
    return log_.limited(topic, level(LogLevel::warn), "sysctl not repaired",
                        with_writer({netns, policy, key, have, want, state, outcome, error, source}));
  }
  if (finding.state == State::unreadable) {
    return log_.limited(topic, LogLevel::warn, "sysctl unreadable", {netns, policy, key, want, error, source});
  }
  if (finding.state == State::missing) {
    return log_.limited(topic, LogLevel::warn, "sysctl missing", {netns, policy, key, want, source});
  }
  log_.limited(topic, level(LogLevel::warn), "sysctl drifted", with_writer({netns, policy, key, have, want, source}));
}

}  // namespace nswarden
