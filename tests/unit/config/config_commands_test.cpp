// SPDX-License-Identifier: Apache-2.0
// Commands in both forms of the configuration.
#include <nswarden/config/config.hpp>
#include <nswarden/config/config_text.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "config_words.hpp"

using namespace nswarden;
using namespace std::chrono_literals;

namespace {

using test::config_of;
using test::Strings;

/// `f:LINE:COL: message` of each problem, in lines.
std::string lines_of(std::string_view text) {
  std::string all;
  for (const std::string& reported : test::problem_lines(test::problems_of(text))) all += "f:" + reported + '\n';
  return all;
}

TEST_CASE("the older form is read rule by rule, with its commands in file order") {
  const Config config = config_of(R"(# as operators have it
- netns_regex: ^qrouter-.*
  daemon_startup_actions:
    - ip netns exec $NETNS sysctl net.ipv4.ip_forward=1
    - ": empty command"
  inotify_actions:
    - IN_CREATE:
        - first
        - second
      IN_OPEN: []
    - IN_CREATE: [third]
- netns_regex: .*
  daemon_startup_actions: []
  inotify_actions: []
)");
  CHECK(config.form == Config::Form::older);
  CHECK(config.netns_dirs.empty());
  REQUIRE(config.policies.size() == 2);
  const PolicyConfig& rule = config.policies[0];
  CHECK(rule.name == "rule-1");
  REQUIRE(rule.netns.size() == 1);
  CHECK(rule.netns[0].text() == "^qrouter-.*");
  CHECK(rule.mode == Mode::enforce);
  CHECK(rule.sysctls.empty());
  CHECK(rule.position.line == 2);
  CHECK(rule.commands.startup == Strings{"ip netns exec $NETNS sysctl net.ipv4.ip_forward=1", ": empty command"});
  REQUIRE(rule.commands.events.size() == 3);
  CHECK(rule.commands.events[0].event == "IN_CREATE");
  CHECK(rule.commands.events[0].bits == 0x100);
  CHECK(rule.commands.events[0].commands == Strings{"first", "second"});
  CHECK(rule.commands.events[1].event == "IN_OPEN");
  CHECK(rule.commands.events[2].event == "IN_CREATE");
  CHECK(rule.commands.events[2].commands == Strings{"third"});
  CHECK(rule.commands.capabilities == CommandCapabilities::daemon);
  CHECK(config.policies[1].name == "rule-2");
  CHECK(config.policies[1].commands.empty());
}

TEST_CASE("a native policy may have commands beside its sysctls, or alone") {
  const Config config = config_of(R"(version: 1
command_timeout: 5s
repair_budget: 7
repair_window: 20s
policies:
  - name: both
    netns: .*
    sysctls: {net.ipv4.ip_forward: 1}
    commands:
      startup: [a]
      events:
        IN_DELETE:
          - b
          - |
            c
            d
  - name: alone
    netns: .*
    commands: {events: {IN_CREATE: [e]}}
)");
  CHECK(config.form == Config::Form::native);
  CHECK(config.command_timeout == 5s);
  CHECK(config.repair_budget == 7U);
  CHECK(config.repair_window == 20s);
  CHECK(config.policies[0].sysctls.size() == 1);
  CHECK(config.policies[0].commands.startup == Strings{"a"});
  CHECK(config.policies[0].commands.events[0].commands == Strings{"b", "c\nd\n"});
  CHECK(config.policies[1].sysctls.empty());
  CHECK(config.policies[1].commands.events[0].commands == Strings{"e"});
}

TEST_CASE("native commands have no capabilities unless the policy asks for the daemon's") {
  const auto capabilities_of = [](const std::string& commands) {
    const Config config = config_of("version: 1\npolicies: [{name: a, netns: x, commands: {" + commands + "}}]\n");
    return config.policies[0].commands.capabilities;
  };
  CHECK(capabilities_of("startup: [b]") == CommandCapabilities::none);
  CHECK(capabilities_of("capabilities: none, startup: [b]") == CommandCapabilities::none);
  CHECK(capabilities_of("capabilities: daemon, startup: [b]") == CommandCapabilities::daemon);
}

TEST_CASE("each mistake in commands has its own line that says what to do") {
  struct Row {
    std::string text;
    std::string_view reported;
  };
  const std::string rule = "- netns_regex: x\n  daemon_startup_actions: []\n  inotify_actions: []\n";
  const std::vector<Row> rows{
      {"[]\n", "f:1:1: the list has no rules"},
      {"- x\n", "f:1:3: rule 1: expected a mapping, found a single value"},
      {"- netns_regex: x\n", "rule 1 has no daemon_startup_actions; write daemon_startup_actions: [] for none"},
      {"- netns_regex: x\n", "rule 1 has no inotify_actions; write inotify_actions: [] for none"},
      {"- daemon_startup_actions: []\n  inotify_actions: []\n", "rule 1 has no netns_regex"},
      {rule + "  netns_dir: x\n", "unknown field \"netns_dir\" in rule 1"},
      {"- netns_regx: x\n  daemon_startup_actions: []\n  inotify_actions: []\n", "did you mean \"netns_regex\"?"},
      {"- netns_regex: \"x(?!y)\"\n  daemon_startup_actions: []\n  inotify_actions: []\n", "RE2 has no look-around"},
      {"- netns_regex: (x)\\1\n  daemon_startup_actions: []\n  inotify_actions: []\n", "RE2 has no back-references"},
      {"- netns_regex: x\n  daemon_startup_actions:\n  inotify_actions: []\n",
       "daemon_startup_actions: expected a list, found nothing"},
      {"- netns_regex: x\n  daemon_startup_actions: x\n  inotify_actions: []\n", "expected a list, found a single value"},
      {"- netns_regex: x\n  daemon_startup_actions: [\"\"]\n  inotify_actions: []\n", "daemon_startup_actions[0] is empty"},
      {"- netns_regex: x\n  daemon_startup_actions: [a, {b: c}]\n  inotify_actions: []\n", "[1]: expected a single value"},
      {"- netns_regex: x\n  daemon_startup_actions: [\"a\\0b\"]\n  inotify_actions: []\n",
       "contains a NUL byte, where the shell would stop"},
      {"- netns_regex: x\n  daemon_startup_actions: [" + std::string(66000, 'a') + "]\n  inotify_actions: []\n",
       "longer than 64 KiB"},
      {"- netns_regex: x\n  daemon_startup_actions: []\n  inotify_actions: {IN_CREATE: [a]}\n",
       "expected a list, found a mapping"},
      {"- netns_regex: x\n  daemon_startup_actions: []\n  inotify_actions: [IN_CREATE]\n",
       "inotify_actions[0]: expected a mapping"},
      {"- netns_regex: x\n  daemon_startup_actions: []\n  inotify_actions: [{IN_CRAETE: [a]}]\n",
       "f:3:22: rule 1.inotify_actions[0]: unknown event \"IN_CRAETE\"; did you mean \"IN_CREATE\"?"},
      {"- netns_regex: x\n  daemon_startup_actions: []\n  inotify_actions: [{CREATED: [a]}]\n",
       "nswarden config events lists the known events"},
      {"- netns_regex: x\n  daemon_startup_actions: []\n  inotify_actions: [{IN_CREATE: a}]\n",
       "[0].IN_CREATE: expected a list"},
      {"version: 1\npolicies: [{name: a, netns: x, commands: []}]\n", "policies[0].commands: expected a mapping, found a list"},
      {"version: 1\npolicies: [{name: a, netns: x, commands: {start: []}}]\n",
       "unknown field \"start\" in policies[0].commands"},
      {"version: 1\npolicies: [{name: a, netns: x, commands: {capabilities: all}}]\n",
       "f:2:57: policies[0].commands.capabilities: invalid value \"all\", expected none or daemon"},
      {"version: 1\npolicies: [{name: a, netns: x, commands: {capabilities: [none]}}]\n",
       "policies[0].commands.capabilities: expected a single value, found a list"},
      {rule + "  capabilities: none\n", "unknown field \"capabilities\" in rule 1"},
      {"version: 1\npolicies: [{name: a, netns: x, commands: {events: {IN: []}}}]\n",
       "policies[0].commands.events: unknown event"},
      {"version: 1\npolicies: [{name: a, netns: x, sysctls: {}, commands: {startup: [b]}}]\n", "policies[0] has no sysctls"},
  };
  for (const Row& row : rows) {
    const std::string reported = lines_of(row.text);
    CAPTURE(row.text.substr(0, 200), row.reported, reported);
    CHECK(reported.find(row.reported) != std::string::npos);
  }
}

TEST_CASE("what a new configuration drops is told in one line, and what it changes or adds is not") {
  const auto policy = [](const std::string& name, const std::string& rest) {
    return "  - {name: " + name + ", netns: x, " + rest + "}\n";
  };
  const std::string head = "version: 1\npolicies:\n";
  const Config before = config_of(head + policy("a", "sysctls: {net.ipv4.x: 1, net.ipv4.y: 1}") +
                                  policy("b", "sysctls: {net.ipv4.x: 1}, commands: {startup: [c]}"));
  CHECK(dropped_by(before, before).empty());
  CHECK(dropped_by(before, config_of("version: 1\npolicies: []\n")) == "policy a; policy b");
  CHECK(dropped_by(before, config_of("version: 1\npolicies: []\n"), 1) == "policy a; and 1 more");
  const Config less = config_of(head + policy("a", "sysctls: {net.ipv4.z: 1}") + policy("b", "sysctls: {net.ipv4.x: 2}"));
  CHECK(dropped_by(before, less) == "2 settings of policy a (net.ipv4.x, net.ipv4.y); commands of policy b");
  CHECK(dropped_by(before, less, 1) == "2 settings of policy a (net.ipv4.x, ...); and 1 more");
  CHECK(dropped_by(config_of("version: 1\npolicies: []\n"), before).empty());
}

}  // namespace
