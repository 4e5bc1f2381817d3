// SPDX-License-Identifier: Apache-2.0
#include <catch.hpp>
#include <cerrno>
#include <nswarden/base/build_info.hpp>
#include <nswarden/report/metrics.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "policy_words.hpp"
#include "shown.hpp"

namespace {

using namespace nswarden;
using test::lines_of;
using test::value_of;
using namespace std::chrono_literals;

PolicyConfig policy(const std::string& name, const char* key) {
  return test::policy(name, "^" + name, {test::setting(key, "1")});
}

Config routers() {
  Config config;
  config.policies.push_back(policy("routers", "net.ipv4.ip_forward"));
  return config;
}

Finding finding(std::string netns, State state, Reason reason) {
  Finding result;
  result.netns = std::move(netns);
  result.policy = "routers";
  result.key = "net.ipv4.ip_forward";
  result.state = state;
  result.reason = reason;
  return result;
}

Snapshot small_snapshot() {
  Snapshot snapshot;
  PolicySnapshot routers;
  routers.name = "routers";
  routers.netns = 3;
  routers.settings = 6;
  routers.drifted = 2;
  routers.suspended = 1;
  routers.conflicts = 1;
  routers.enforcing = true;
  snapshot.policies = {routers};
  snapshot.netns_unmatched = 4;
  snapshot.netns_pending = 1;
  snapshot.bound_sysctls = 6;
  snapshot.commands_queued = 7;
  snapshot.commands_running = 2;
  snapshot.series_limit = 200;
  snapshot.drift = {
      {finding("q-1", State::drifted, Reason::clamped), nullptr, 0},
      {finding("q\"} 0\nnswarden_netns{policy=\"forged\"} 7\n\xff", State::missing, Reason::missing), nullptr, 0}};
  snapshot.drift_hidden = 5;
  snapshot.observed = {{"q-1", "net.ipv4.tcp_rmem", {4096, 131072}}};
  snapshot.observed_hidden = 3;
  snapshot.sources = {{"inotify", true, ""}, {"mount", false, "no"}};
  snapshot.config.hash = "0123456789abcdef";
  snapshot.config.loaded_seconds = 1763872371.5;
  snapshot.last_reconcile_seconds = 1763872372.25;
  snapshot.process = {1.5, 1763872370.25, 9437184, 123456789, 12, 20000};
  return snapshot;
}

}  // namespace

TEST_CASE("counters are there at 0 before anything was counted") {
  Metrics metrics;
  metrics.register_policies(PolicySet(routers(), PolicySet::Audit::as_configured));
  const std::string text = metrics.text({});
  for (const char* trigger : {"startup", "interval", "reload", "lost"}) {
    CHECK(value_of(text, std::string("nswarden_reconciles_total{trigger=\"") + trigger + "\"}") == "0");
  }
  for (const char* event : {"IN_CREATE", "IN_DELETE", "IN_MOVED_FROM", "IN_MOVED_TO", "IN_DELETE_SELF", "IN_MOVE_SELF"}) {
    CHECK(value_of(text, std::string("nswarden_events_total{event=\"") + event + "\",source=\"inotify\"}") == "0");
  }
  CHECK(value_of(text, "nswarden_events_total{event=\"change\",source=\"mount\"}") == "0");
  CHECK(value_of(text, "nswarden_events_total{event=\"write\",source=\"sysctl\"}") == "0");
  CHECK(value_of(text, "nswarden_event_overflows_total{source=\"inotify\"}") == "0");
  CHECK(value_of(text, "nswarden_event_overflows_total{source=\"sysctl\"}") == "0");
  CHECK(value_of(text, "nswarden_drift_writers_total{comm=\"other\"}") == "0");
  CHECK(value_of(text, "nswarden_drift_writers_total{comm=\"unknown\"}") == "0");
  CHECK(value_of(text, "nswarden_config_reloads_total{result=\"success\"}") == "0");
  CHECK(value_of(text, "nswarden_config_reloads_total{result=\"failure\"}") == "0");
  CHECK(value_of(text, "nswarden_actions_total{action=\"write\",policy=\"routers\",result=\"success\"}") == "0");
  CHECK(value_of(text, "nswarden_actions_total{action=\"write\",policy=\"routers\",result=\"failure\"}") == "0");
  for (const auto reason : all_failure_reasons) {
    CHECK(value_of(text, "nswarden_action_failures_total{action=\"write\",policy=\"routers\",reason=\"" + std::string(reason) +
                             "\"}") == "0");
  }
  for (const auto source : all_sources) {
    CHECK(value_of(text, "nswarden_drift_detected_total{policy=\"routers\",source=\"" + std::string(to_string(source)) +
                             "\",sysctl=\"net.ipv4.ip_forward\"}") == "0");
  }
  CHECK(value_of(text, "nswarden_time_to_compliance_seconds_count{trigger=\"create\"}") == "0");
  CHECK(value_of(text, "nswarden_time_to_compliance_seconds_count{trigger=\"drift\"}") == "0");
  CHECK(value_of(text, "nswarden_reconcile_duration_seconds_count") == "0");
}

TEST_CASE("commands have their series where a policy has commands, and only there") {
  Metrics metrics;
  Config config = routers();
  PolicyConfig alone = test::policy("alone", ".*", {});
  alone.commands.startup = {"true"};
  config.policies.push_back(alone);
  metrics.register_policies(PolicySet(config, PolicySet::Audit::as_configured));
  std::string text = metrics.text({});
  CHECK(value_of(text, "nswarden_actions_total{action=\"command\",policy=\"alone\",result=\"success\"}") == "0");
  CHECK(value_of(text, "nswarden_actions_total{action=\"command\",policy=\"alone\",result=\"failure\"}") == "0");
  CHECK(value_of(text, "nswarden_commands_dropped_total{policy=\"alone\"}") == "0");
  CHECK(text.find("action=\"command\",policy=\"routers\"") == std::string::npos);
  CHECK(text.find("action=\"write\",policy=\"alone\"") == std::string::npos);
  metrics.command_attempt("alone", "");
  for (const std::string_view reason : all_command_failures) metrics.command_attempt("alone", reason);
  metrics.commands_dropped("alone", 3);
  text = metrics.text({});
  CHECK(value_of(text, "nswarden_actions_total{action=\"command\",policy=\"alone\",result=\"success\"}") == "1");
  CHECK(value_of(text, "nswarden_actions_total{action=\"command\",policy=\"alone\",result=\"failure\"}") == "3");
  for (const std::string_view reason : all_command_failures) {
    CHECK(value_of(text, "nswarden_action_failures_total{action=\"command\",policy=\"alone\",reason=\"" + std::string(reason) +
                             "\"}") == "1");
  }
  CHECK(value_of(text, "nswarden_commands_dropped_total{policy=\"alone\"}") == "3");
}

TEST_CASE("each thing that happens is counted in its series") {
  Metrics metrics;
  metrics.register_policies(PolicySet(routers(), PolicySet::Audit::as_configured));
  metrics.drift_detected("routers", "net.ipv4.ip_forward", Source::event);
  metrics.write_attempt("routers", Outcome::fixed, 0);
  metrics.write_attempt("routers", Outcome::refused, EROFS);
  metrics.write_attempt("routers", Outcome::rejected, EINVAL);
  metrics.write_attempt("routers", Outcome::clamped, 0);
  metrics.write_attempt("routers", Outcome::failed, 0);
  metrics.event("inotify", "IN_CREATE");
  metrics.event("mount", "change");
  metrics.overflow("inotify");
  metrics.reconciled(Trigger::lost, 3ms);
  metrics.became_compliant(ComplianceTrigger::create, 700us);
  metrics.reloaded(false);
  const std::string text = metrics.text({});
  CHECK(value_of(text, "nswarden_drift_detected_total{policy=\"routers\",source=\"event\",sysctl=\"net.ipv4.ip_forward\"}") ==
        "1");
  CHECK(value_of(text, "nswarden_actions_total{action=\"write\",policy=\"routers\",result=\"success\"}") == "1");
  CHECK(value_of(text, "nswarden_actions_total{action=\"write\",policy=\"routers\",result=\"failure\"}") == "4");
  CHECK(value_of(text, "nswarden_action_failures_total{action=\"write\",policy=\"routers\",reason=\"erofs\"}") == "1");
  CHECK(value_of(text, "nswarden_action_failures_total{action=\"write\",policy=\"routers\",reason=\"einval\"}") == "1");
  CHECK(value_of(text, "nswarden_action_failures_total{action=\"write\",policy=\"routers\",reason=\"readback\"}") == "2");
  CHECK(value_of(text, "nswarden_events_total{event=\"IN_CREATE\",source=\"inotify\"}") == "1");
  CHECK(value_of(text, "nswarden_events_total{event=\"change\",source=\"mount\"}") == "1");
  CHECK(value_of(text, "nswarden_event_overflows_total{source=\"inotify\"}") == "1");
  CHECK(value_of(text, "nswarden_reconciles_total{trigger=\"lost\"}") == "1");
  CHECK(value_of(text, "nswarden_reconcile_duration_seconds_count") == "1");
  CHECK(value_of(text, "nswarden_reconcile_duration_seconds_bucket{le=\"0.0025\"}") == "0");
  CHECK(value_of(text, "nswarden_reconcile_duration_seconds_bucket{le=\"0.005\"}") == "1");
  CHECK(value_of(text, "nswarden_time_to_compliance_seconds_bucket{trigger=\"create\",le=\"0.0005\"}") == "0");
  CHECK(value_of(text, "nswarden_time_to_compliance_seconds_bucket{trigger=\"create\",le=\"0.001\"}") == "1");
  CHECK(value_of(text, "nswarden_time_to_compliance_seconds_count{trigger=\"drift\"}") == "0");
  CHECK(value_of(text, "nswarden_config_reloads_total{result=\"failure\"}") == "1");
}

TEST_CASE("writers are counted by their names: 50 of them, the others together, and the unknown apart") {
  Metrics metrics;
  for (int i = 0; i < 60; ++i) metrics.drift_written("writer-" + std::to_string(i));
  metrics.drift_written("writer-7");
  metrics.drift_written("writer-55");
  metrics.drift_written("");
  const std::string text = metrics.text({});
  CHECK(lines_of(text, "nswarden_drift_writers_total{").size() == 52);
  CHECK(value_of(text, "nswarden_drift_writers_total{comm=\"writer-7\"}") == "2");
  CHECK(value_of(text, "nswarden_drift_writers_total{comm=\"writer-49\"}") == "1");
  CHECK(value_of(text, "nswarden_drift_writers_total{comm=\"other\"}") == "11");
  CHECK(value_of(text, "nswarden_drift_writers_total{comm=\"unknown\"}") == "1");
}

TEST_CASE("a process that is named like one of our words, or like a series, forges none") {
  Metrics metrics;
  metrics.drift_written("unknown");
  metrics.drift_written("other");
  metrics.drift_written("a\"} 7\n\xff");
  const std::string text = metrics.text({});
  CHECK(value_of(text, "nswarden_drift_writers_total{comm=\"unknown\"}") == "0");
  CHECK(value_of(text, "nswarden_drift_writers_total{comm=\"other\"}") == "2");
  CHECK(value_of(text, R"(nswarden_drift_writers_total{comm="a\"} 7\\x0a\\xff"})") == "1");
}

TEST_CASE("drift beyond the limit of series is counted as hidden") {
  const Metrics metrics;
  Snapshot snapshot = small_snapshot();
  snapshot.series_limit = 1;
  const std::string text = metrics.text(snapshot);
  CHECK(lines_of(text, "nswarden_sysctl_drift{").size() == 1);
  CHECK(value_of(text, "nswarden_sysctl_drift_hidden") == "6");
}

TEST_CASE("gauges are what the snapshot says, and a hostile netns name is one series and no more") {
  const Metrics metrics;
  const std::string text = metrics.text(small_snapshot());
  const std::vector<std::string> expected = {
      R"(nswarden_bound_sysctls 6)",
      R"(nswarden_commands_queued 7)",
      R"(nswarden_commands_running 2)",
      R"(nswarden_config_info{hash="0123456789ab"} 1)",
      R"(nswarden_config_last_reload_success_timestamp_seconds 1763872371.5)",
      R"(nswarden_config_last_reload_successful 1)",
      R"(nswarden_dirfd_sysctls 0)",
      R"(nswarden_drifted_sysctls{policy="routers"} 2)",
      R"(nswarden_enforcement_enabled{policy="routers"} 1)",
      R"(nswarden_event_source_up{source="inotify"} 1)",
      R"(nswarden_event_source_up{source="mount"} 0)",
      R"(nswarden_managed_sysctls{policy="routers"} 6)",
      R"(nswarden_netns{policy="routers"} 3)",
      R"(nswarden_netns_pending 1)",
      R"(nswarden_netns_unmatched 4)",
      R"(nswarden_policy_conflicts{policy="routers"} 1)",
      R"(nswarden_reconcile_last_success_timestamp_seconds 1763872372.25)",
      R"(nswarden_suspended_sysctls{policy="routers"} 1)",
      R"(nswarden_sysctl_drift{netns="q\"} 0\\x0answarden_netns{policy=\"forged\"} 7\\x0a\\xff",policy="routers",reason="missing",sysctl="net.ipv4.ip_forward"} 1)",
      R"(nswarden_sysctl_drift{netns="q-1",policy="routers",reason="clamped",sysctl="net.ipv4.ip_forward"} 1)",
      R"(nswarden_sysctl_drift_hidden 5)",
      R"(nswarden_sysctl_value{index="0",netns="q-1",sysctl="net.ipv4.tcp_rmem"} 4096)",
      R"(nswarden_sysctl_value{index="1",netns="q-1",sysctl="net.ipv4.tcp_rmem"} 131072)",
      R"(nswarden_sysctl_value_hidden 3)",
      R"(nswarden_web_config_last_reload_successful 1)",
      R"(process_cpu_seconds_total 1.5)",
      R"(process_max_fds 20000)",
      R"(process_open_fds 12)",
      R"(process_resident_memory_bytes 9437184)",
      R"(process_start_time_seconds 1763872370.25)",
      R"(process_virtual_memory_bytes 123456789)",
  };
  std::vector<std::string> gauges;
  std::set<std::string> counted;
  for (const auto& line : lines_of(text, "# TYPE ")) {
    std::istringstream words(line);
    std::string hash, type, name, kind;
    words >> hash >> type >> name >> kind;
    CHECK(counted.insert(name).second);
    if (name == "nswarden_build_info" || (kind != "gauge" && name != "process_cpu_seconds_total")) continue;
    for (const char* next : {"{", " "}) {
      for (const auto& series : lines_of(text, name + next)) gauges.push_back(series);
    }
  }
  CHECK(gauges == expected);
}

TEST_CASE("counts of each netns are there only when the snapshot has them, and the limit of series does not bound them") {
  const Metrics metrics;
  Snapshot snapshot = small_snapshot();
  CHECK(metrics.text(snapshot).find("nswarden_netns_drifted_sysctls") == std::string::npos);
  snapshot.series_limit = 1;
  snapshot.by_netns = {{"q-1", "routers", 1}, {"q-1", "others", 0}, {"q-2", "routers", 2}};
  CHECK(lines_of(metrics.text(snapshot), "nswarden_netns_drifted_sysctls") ==
        std::vector<std::string>{R"(nswarden_netns_drifted_sysctls{netns="q-1",policy="others"} 0)",
                                 R"(nswarden_netns_drifted_sysctls{netns="q-1",policy="routers"} 1)",
                                 R"(nswarden_netns_drifted_sysctls{netns="q-2",policy="routers"} 2)"});
}

TEST_CASE("names of netns that differ in a byte that cannot be shown have a series each") {
  const Metrics metrics;
  Snapshot snapshot = small_snapshot();
  snapshot.by_netns = {{"q\n", "routers", 1}, {"q\\x0a", "routers", 2}, {"q\xff", "routers", 3}, {"q\xfe", "routers", 4}};
  CHECK(lines_of(metrics.text(snapshot), "nswarden_netns_drifted_sysctls") ==
        std::vector<std::string>{R"(nswarden_netns_drifted_sysctls{netns="q\\x0a",policy="routers"} 1)",
                                 R"(nswarden_netns_drifted_sysctls{netns="q\\x5cx0a",policy="routers"} 2)",
                                 R"(nswarden_netns_drifted_sysctls{netns="q\\xfe",policy="routers"} 4)",
                                 R"(nswarden_netns_drifted_sysctls{netns="q\\xff",policy="routers"} 3)"});
}

TEST_CASE("build_info tells version, revision and compiler") {
  const auto build = build_info();
  CHECK(value_of(Metrics().text({}), "nswarden_build_info{compiler=\"" + std::string(build.compiler) + "\",revision=\"" +
                                         std::string(build.revision) + "\",version=\"" + std::string(build.version) + "\"}") ==
        "1");
}

TEST_CASE("process CPU time is a counter, as in every official client") {
  CHECK(lines_of(Metrics().text({}), "# TYPE process_cpu_seconds_total").at(0) == "# TYPE process_cpu_seconds_total counter");
}

TEST_CASE("after a reload the gauges of a removed policy go and its counters stay") {
  Metrics metrics;
  metrics.register_policies(PolicySet(routers(), PolicySet::Audit::as_configured));
  metrics.write_attempt("routers", Outcome::fixed, 0);
  Config other;
  other.policies.push_back(policy("others", "net.ipv4.tcp_tw_reuse"));
  metrics.register_policies(PolicySet(other, PolicySet::Audit::as_configured));
  Snapshot snapshot;
  snapshot.policies.resize(1);
  snapshot.policies[0].name = "others";
  const std::string text = metrics.text(snapshot);
  CHECK(value_of(text, "nswarden_netns{policy=\"routers\"}") == "absent");
  CHECK(value_of(text, "nswarden_netns{policy=\"others\"}") == "0");
  CHECK(value_of(text, "nswarden_actions_total{action=\"write\",policy=\"routers\",result=\"success\"}") == "1");
  CHECK(value_of(text, "nswarden_actions_total{action=\"write\",policy=\"others\",result=\"success\"}") == "0");
}

TEST_CASE("every family has a help text without a character that the serializer would have to escape") {
  Metrics metrics;
  metrics.register_policies(PolicySet(routers(), PolicySet::Audit::as_configured));
  Snapshot snapshot = small_snapshot();
  snapshot.by_netns = {{"q-1", "routers", 1}};
  const std::string text = metrics.text(snapshot);
  const auto helps = lines_of(text, "# HELP ");
  CHECK(helps.size() == lines_of(text, "# TYPE ").size());
  for (const auto& help : helps) {
    INFO(help);
    CHECK(std::regex_match(help, std::regex(R"(# HELP (nswarden|process)_[a-z_]+ [A-Z0-9][^\\]*\.)")));
  }
}

TEST_CASE("two scrapes of the same facts are the same bytes") {
  Metrics metrics;
  metrics.register_policies(PolicySet(routers(), PolicySet::Audit::as_configured));
  const std::string before = metrics.text(small_snapshot());
  for (int i = 0; i < 50; ++i) metrics.event("inotify", "IN_MADE_UP_" + std::to_string(i));
  std::string after = metrics.text(small_snapshot());
  after = std::regex_replace(after, std::regex("nswarden_events_total\\{event=\"IN_MADE_UP_[^\n]*\n"), "");
  CHECK(after == before);
}

TEST_CASE("scrapes while the loop counts see whole numbers that only grow") {
  Metrics metrics;
  std::thread loop([&metrics] {
    for (int i = 0; i < 2000; ++i) {
      metrics.event("inotify", "IN_CREATE");
      metrics.write_attempt("policy " + std::to_string(i % 10), Outcome::fixed, 0);
      metrics.reconciled(Trigger::interval, 1ms);
    }
  });
  double last = 0;
  for (int i = 0; i < 20; ++i) {
    const double now = std::stod(value_of(metrics.text({}), "nswarden_events_total{event=\"IN_CREATE\",source=\"inotify\"}"));
    CHECK(now >= last);
    last = now;
  }
  loop.join();
  CHECK(value_of(metrics.text({}), "nswarden_reconcile_duration_seconds_count") == "2000");
}
