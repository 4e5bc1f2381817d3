// SPDX-License-Identifier: Apache-2.0
#include "report/gauges.hpp"

#include <algorithm>
#include <nswarden/base/text.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace nswarden {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Label = ClientMetric::Label;

// prometheus-cpp writes HELP unescaped (kernel fact 34), so help texts contain neither backslashes nor newlines. The reference
// is valid until the next family is added.
MetricFamily& add_family(std::vector<MetricFamily>& out, const char* name, const char* help) {
  return out.emplace_back(MetricFamily{name, help, MetricType::Gauge, {}});
}

void add(MetricFamily& family, std::vector<Label> labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  metric.counter.value = value;
  family.metric.push_back(std::move(metric));
}

MetricFamily& add_single(std::vector<MetricFamily>& out, const char* name, const char* help, double value) {
  MetricFamily& family = add_family(out, name, help);
  add(family, {}, value);
  return family;
}

double number(std::size_t count) { return static_cast<double>(count); }

// Bytes that are not UTF-8 would make the whole scrape fail (kernel fact 34).
Label label(const char* name, std::string_view value) { return {name, printable(value)}; }

void add_policies(std::vector<MetricFamily>& out, const std::vector<PolicySnapshot>& policies) {
  struct Column {
    const char* name;
    const char* help;
    std::size_t PolicySnapshot::*value;
  };
  static constexpr Column columns[] = {
      {"nswarden_netns", "Network namespaces that the policy governs.", &PolicySnapshot::netns},
      {"nswarden_managed_sysctls", "Settings that the policy owns, over all network namespaces.", &PolicySnapshot::settings},
      {"nswarden_drifted_sysctls", "Settings of the policy that are drifted, missing or unreadable.", &PolicySnapshot::drifted},
      {"nswarden_suspended_sysctls",
       "Settings that are only repaired at intervals because another program keeps changing them back.",
       &PolicySnapshot::suspended},
      {"nswarden_policy_conflicts", "Settings of the policy that another policy overrides with another value or mode.",
       &PolicySnapshot::conflicts},
  };
  for (const Column& column : columns) {
    MetricFamily& gauge = add_family(out, column.name, column.help);
    for (const PolicySnapshot& policy : policies) add(gauge, {label("policy", policy.name)}, number(policy.*column.value));
  }
  MetricFamily& enforcing =
      add_family(out, "nswarden_enforcement_enabled", "Whether the policy enforces (1) or only audits (0).");
  for (const PolicySnapshot& policy : policies) add(enforcing, {label("policy", policy.name)}, policy.enforcing ? 1 : 0);
}

void add_drift(std::vector<MetricFamily>& out, const Snapshot& snapshot) {
  MetricFamily& drift = add_family(out, "nswarden_sysctl_drift",
                                   "Setting that does not comply, by reason; always 1, no series while compliant; capped.");
  const std::size_t shown = std::min(snapshot.series_limit, snapshot.drift.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const Finding& finding = snapshot.drift[i].finding;
    add(drift,
        {label("netns", finding.netns), label("policy", finding.policy), label("reason", to_string(finding.reason)),
         label("sysctl", finding.key)},
        1);
  }
  add_single(out, "nswarden_sysctl_drift_hidden",
             "Settings that do not comply and have no nswarden_sysctl_drift because of its cap.",
             number(snapshot.drift.size() - shown + snapshot.drift_hidden));
}

void add_netns(std::vector<MetricFamily>& out, const std::vector<NetnsDrift>& by_netns) {
  MetricFamily& drifted =
      add_family(out, "nswarden_netns_drifted_sysctls",
                 "Settings of the policy that are drifted, missing or unreadable in the network namespace; only "
                 "with --metrics.per-netns.");
  for (const NetnsDrift& drift : by_netns) {
    add(drifted, {label("netns", drift.netns), label("policy", drift.policy)}, number(drift.not_compliant));
  }
}

void add_observed(std::vector<MetricFamily>& out, const Snapshot& snapshot) {
  MetricFamily& values =
      add_family(out, "nswarden_sysctl_value", "Numbers in the value of an observed sysctl, by position; capped.");
  for (const Observed& observed : snapshot.observed) {
    for (std::size_t i = 0; i < observed.numbers.size(); ++i) {
      add(values, {label("index", std::to_string(i)), label("netns", observed.netns), label("sysctl", observed.key)},
          observed.numbers[i]);
    }
  }
  add_single(out, "nswarden_sysctl_value_hidden",
             "Numbers in observed sysctls that have no nswarden_sysctl_value because of its cap.",
             number(snapshot.observed_hidden));
}

// Uses the names, types and texts of the official clients, so that existing dashboards work.
void add_process(std::vector<MetricFamily>& out, const ProcessStats& process) {
  add_single(out, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", process.cpu_seconds).type =
      MetricType::Counter;
  add_single(out, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
             process.start_time_seconds);
  add_single(out, "process_resident_memory_bytes", "Resident memory size in bytes.", number(process.resident_bytes));
  add_single(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", number(process.virtual_bytes));
  add_single(out, "process_open_fds", "Number of open file descriptors.", number(process.open_fds));
  add_single(out, "process_max_fds", "Maximum number of open file descriptors.", number(process.max_fds));
}

}  // namespace

std::vector<MetricFamily> gauges_of(const Snapshot& snapshot, const BuildInfo& build) {
  std::vector<MetricFamily> out;

  MetricFamily& info = add_family(out, "nswarden_build_info", "Version, revision and compiler of the daemon; always 1.");
  add(info, {label("compiler", build.compiler), label("revision", build.revision), label("version", build.version)}, 1);
  add_single(out, "nswarden_config_last_reload_successful",
             "Whether the configuration was valid (1) or rejected (0) when it was last read.",
             snapshot.config.error.empty() ? 1 : 0);
  add_single(out, "nswarden_config_last_reload_success_timestamp_seconds",
             "Unix time at which the configuration in force was read.", snapshot.config.loaded_seconds);
  MetricFamily& config = add_family(out, "nswarden_config_info",
                                    "First 12 digits of the SHA-256 of all files of the configuration in force; always 1.");
  const std::string_view hash = snapshot.config.hash;
  if (!hash.empty()) add(config, {label("hash", hash.substr(0, 12))}, 1);  // empty before the first snapshot
  add_single(out, "nswarden_netns_unmatched", "Network namespaces that no policy matches.", number(snapshot.netns_unmatched));
  add_single(out, "nswarden_netns_pending",
             "Names that have appeared recently and have no network namespace mounted on them yet.",
             number(snapshot.netns_pending));
  add_single(out, "nswarden_bound_sysctls", "Settings that are read through a held file descriptor.",
             number(snapshot.bound_sysctls));
  add_single(out, "nswarden_dirfd_sysctls",
             "Settings that are read by entering their network namespace because the limit of open files is too low.",
             number(snapshot.dirfd_sysctls));
  add_single(out, "nswarden_reconcile_last_success_timestamp_seconds",
             "Unix time of the last completed sweep; 0 before the first.", snapshot.last_reconcile_seconds);
  add_single(out, "nswarden_commands_queued", "Commands that wait to run.", number(snapshot.commands_queued));
  add_single(out, "nswarden_commands_running", "Commands that run now.", number(snapshot.commands_running));
  add_policies(out, snapshot.policies);
  add_drift(out, snapshot);
  add_netns(out, snapshot.by_netns);
  add_observed(out, snapshot);

  MetricFamily& up =
      add_family(out, "nswarden_event_source_up", "Whether the event source works (1) or only sweeps find its changes (0).");
  for (const SourceSnapshot& source : snapshot.sources) add(up, {label("source", source.name)}, source.up ? 1 : 0);

  add_process(out, snapshot.process);
  std::erase_if(out, [](const MetricFamily& gauge) { return gauge.metric.empty(); });
  return out;
}

}  // namespace nswarden
