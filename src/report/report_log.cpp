// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/report_log.hpp>

#include <initializer_list>
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

/// What is known of a writer, as fields of a log line.
class WriterFields {
 public:
  explicit WriterFields(const KnownWriter& writer) : writer_(writer) {
    if (!writer_) return;
    if (writer_->pid != 0) pid_ = std::to_string(writer_->pid);
    if (writer_->uid) uid_ = std::to_string(*writer_->uid);
  }

  /// They show what is held here.
  [[nodiscard]] std::vector<LogField> after(std::initializer_list<LogField> first) const& {
    std::vector<LogField> fields(first);
    if (!writer_) return fields;
    const auto add = [&](std::string_view name, std::string_view value) {
      if (!value.empty()) fields.push_back({name, value});
    };
    add("writer", writer_->comm);
    add("writer_pid", pid_);
    add("writer_exe", writer_->exe);
    add("writer_uid", uid_);
    add("writer_unit", writer_->unit);
    add("writer_container", writer_->container);
    if (writer_->unit.empty() && writer_->container.empty()) add("writer_cgroup", writer_->cgroup);
    return fields;
  }
  std::vector<LogField> after(std::initializer_list<LogField> first) const&& = delete;

 private:
  const KnownWriter& writer_;
  std::string pid_;
  std::string uid_;
};

/// Why a setting is wrong still, when an attempt or a look has failed; empty when it just has another value.
std::string failure_text(const Change& change) {
  const int error = change.attempted && change.error != 0 ? change.error : change.finding.error;
  if (error != 0) return error_text(error);
  if (!change.attempted) return {};
  return change.outcome == Outcome::clamped ? "the kernel stores another value than the one written"
                                            : "another value was read back than the one written";
}

Event::What event_of(const Change& change) {
  switch (change.what) {
    case Change::What::drifted: return change.attempted ? Event::What::failure : Event::What::drift;
    case Change::What::repaired: return Event::What::repair;
    case Change::What::recovered: return Event::What::recovery;
    case Change::What::not_repaired: return Event::What::failure;
    case Change::What::suspended: return Event::What::suspend;
    case Change::What::calmed: return Event::What::calm;
    case Change::What::contradicted: return Event::What::contradiction;
  }
  return Event::What::drift;
}

}  // namespace

void ReportLog::record(const Report& report, const PolicySet& policies, Time now, double unix_time) {
  for (const Attempt& attempt : report.attempts) {
    metrics_.write_attempt(policies.policies()[attempt.policy].name, attempt.outcome, attempt.error);
    ++(attempt.outcome == Outcome::fixed ? fixed_ : failed_);
  }
  if (report.first_seen) metrics_.became_compliant(ComplianceTrigger::create, now - *report.first_seen);
  if (report.write_seen) metrics_.became_compliant(ComplianceTrigger::drift, now - *report.write_seen);
  log_life(report, policies);
  add_life_event(report, unix_time);
  for (const Change& change : report.changes) {
    if (change.detected) metrics_.drift_detected(change.finding.policy, policies.keys()[change.written].name(), report.source);
    const KnownWriter writer = name_writer(report, change);
    log_change(report, change, writer);
    add_change_event(report, change, writer, unix_time);
  }
}

/// The writer of the drift in `change`. A drift without a known writer removes the name of the one before, which would otherwise be shown
/// beside a value that it did not write.
KnownWriter ReportLog::name_writer(const Report& report, const Change& change) {
  const Finding& finding = change.finding;
  const bool is_over = change.what == Change::What::recovered || change.what == Change::What::calmed;
  if (is_over && !change.detected) return nullptr;
  KnownWriter writer;
  if (report.source == Source::event) {
    writer = writers_.writer_of(report.inode, change.setting);
    std::string_view comm;
    if (writer) comm = writer->comm;
    if (change.detected) metrics_.drift_written(comm);
  }
  // Of a drift that was told before.
  const bool is_later = change.what == Change::What::suspended || change.what == Change::What::repaired;
  if (!writer && is_later && !change.detected) return writers_.last_writer(finding.netns, finding.key);
  const bool other_drift = change.detected || change.what == Change::What::drifted;
  if (writer || other_drift) writers_.remember(finding.netns, finding.key, writer);
  return writer;
}

void ReportLog::add_life_event(const Report& report, double unix_time) {
  Event event;
  switch (report.life) {
    case Report::Life::governed: event.what = Event::What::netns_governed; break;
    case Report::Life::gone: event.what = Event::What::netns_gone; break;
    case Report::Life::cannot_enter:
      event.what = Event::What::netns_failure;
      event.error = error_text(report.error.code);
      break;
    default: return;
  }
  // Also when it comes: it is another one, even if nobody saw the one before go.
  if (event.what != Event::What::netns_failure) writers_.forget(report.netns);
  event.time = unix_time;
  event.finding.netns = report.netns;
  events_.add(std::move(event));
}

void ReportLog::add_change_event(const Report& report, const Change& change, KnownWriter writer, double unix_time) {
  Event event;
  event.what = event_of(change);
  event.time = unix_time;
  event.finding = change.finding;
  event.source = report.source;
  if (event.what == Event::What::drift || event.what == Event::What::failure) event.error = failure_text(change);
  event.retry_in = change.retry_in;
  event.writer = std::move(writer);
  events_.add(std::move(event));
}

void ReportLog::log_life(const Report& report, const PolicySet& policies) {
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
                   {netns, {"step", report.error.attempt}, {"error", error_text(report.error.code)}});
      break;
  }
}

void ReportLog::log_change(const Report& report, const Change& change, const KnownWriter& writer) {
  if (change.what == Change::What::suspended || change.what == Change::What::calmed) return log_fight(change, writer);
  const Finding& finding = change.finding;
  const std::string topic = finding.netns + '\0' + finding.key;
  const LogField netns{"netns", finding.netns};
  const LogField policy{"policy", finding.policy};
  const LogField key{"key", finding.key};
  const LogField have{"have", finding.have};
  const LogField want{"want", finding.want};
  const LogField source{"source", to_string(report.source)};
  const WriterFields writer_fields(writer);
  // One line has said that there is a fight, another one will say that it is over.
  const auto level = [&](LogLevel usual) { return change.fought_over ? LogLevel::debug : usual; };
  if (change.what == Change::What::repaired) {
    const auto fields = writer_fields.after({netns, policy, key, have, want, source});
    return log_.limited(topic, level(LogLevel::info), "sysctl repaired", fields);
  }
  if (change.what == Change::What::recovered) {
    return log_.limited(topic, level(LogLevel::info), "sysctl right again", {netns, policy, key, want, source});
  }
  if (change.what == Change::What::contradicted) {
    return log_.limited(topic, LogLevel::warn,
                        "two settings contradict each other: the kernel undoes one when the other is written",
                        {netns, policy, key, have, want, {"other", change.other}});
  }
  const LogField state{"state", to_string(finding.state)};
  const std::string why = failure_text(change);
  const LogField error{"error", why};
  if (change.attempted) {
    const LogField outcome{"outcome", to_string(change.outcome)};
    const auto fields = writer_fields.after({netns, policy, key, have, want, state, outcome, error, source});
    return log_.limited(topic, level(LogLevel::warn), "sysctl not repaired", fields);
  }
  if (finding.state == State::unreadable) {
    return log_.limited(topic, LogLevel::warn, "sysctl unreadable", {netns, policy, key, want, error, source});
  }
  if (finding.state == State::missing) {
    return log_.limited(topic, LogLevel::warn, "sysctl missing", {netns, policy, key, want, source});
  }
  log_.limited(topic, level(LogLevel::warn), "sysctl drifted", writer_fields.after({netns, policy, key, have, want, source}));
}

/// With a topic of its own: the lines of the fight before it have used up that of the setting. No label is empty.
void ReportLog::log_fight(const Change& change, const KnownWriter& opponent) {
  const Finding& finding = change.finding;
  const std::string topic = '\0' + finding.netns + '\0' + finding.key;
  const LogField netns{"netns", finding.netns};
  const LogField policy{"policy", finding.policy};
  const LogField key{"key", finding.key};
  const LogField want{"want", finding.want};
  if (change.what == Change::What::calmed) {
    return log_.limited(topic, LogLevel::info, "sysctl no longer fought over", {netns, policy, key, want});
  }
  const std::string retry_in = format_duration(change.retry_in);
  const WriterFields opponent_fields(opponent);
  const auto fields = opponent_fields.after({netns, policy, key, {"have", finding.have}, want, {"retry_in", retry_in}});
  log_.limited(topic, LogLevel::warn, "sysctl suspended: another program keeps changing it back", fields);
}

}  // namespace nswarden
