// SPDX-License-Identifier: Apache-2.0
// Conversion from the older form to the native one: selected commands become settings, all remaining ones are kept unchanged.
#include <nswarden/config/config_convert.hpp>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <nswarden/config/config_text.hpp>
#include <nswarden/policy/inotify_events.hpp>

#include "catch.hpp"
#include "config/sysctl_command.hpp"
#include "config_words.hpp"

using namespace nswarden;

namespace {

using test::config_of;
using test::Strings;

/// "KEY=VALUE", "?KEY=VALUE" if the key may be missing, "<FILE"; empty if the text remains a command.
Strings steps_of(std::string_view command) {
  const auto steps = read_sysctl_command(command);
  Strings reported;
  if (!steps) return reported;
  for (const SysctlStep& step : *steps) {
    if (const auto* file = std::get_if<SysctlFile>(&step)) reported.push_back("<" + file->path);
    const auto* set = std::get_if<SysctlAssignment>(&step);
    if (set != nullptr) reported.push_back((set->optional ? "?" : "") + set->key + "=" + set->value);
  }
  return reported;
}

/// A rule with quoted commands: any text without that quote is permitted.
std::string rule(const Strings& startup, const Strings& created, const std::string& more = "") {
  const auto list = [](const Strings& commands) {
    std::string text;
    for (const std::string& command : commands) text += (text.empty() ? "" : ", ") + fmt::format("'{}'", command);
    return "[" + text + "]";
  };
  return fmt::format("- netns_regex: ^q\n  daemon_startup_actions: {}\n  inotify_actions: [IN_CREATE: {}{}]\n", list(startup),
                     list(created), more);
}

std::string set(const std::string& assignment) { return "ip netns exec $NETNS sysctl " + assignment; }

}  // namespace

TEST_CASE("commands that do nothing but set sysctls are understood as a shell understands them") {
  struct Row {
    std::string_view command;
    Strings steps;
  };
  const std::vector<Row> rows{
      {"ip netns exec $NETNS sysctl net.ipv4.a=1", {"net.ipv4.a=1"}},
      {"ip netns exec \"$NETNS\" sysctl -w net.ipv4.a=1", {"net.ipv4.a=1"}},
      {"/sbin/ip netns exec ${NETNS} /usr/sbin/sysctl -q -w net.ipv4.a=1 net.ipv4.b=2", {"net.ipv4.a=1", "net.ipv4.b=2"}},
      {"  ip\tnetns exec \"${NETNS}\" sysctl -qw 'net.ipv4.a = 1 2  3' ", {"net.ipv4.a=1 2  3"}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=\"1 2\"' 3'", {"net.ipv4.a=1 2 3"}},
      {"ip netns exec $NETNS sysctl -e net.ipv4.a=1", {"?net.ipv4.a=1"}},
      {"ip netns exec $NETNS sysctl --ignore --quiet --write net.ipv4.a=1", {"?net.ipv4.a=1"}},
      {"ip netns exec $NETNS sysctl -p /etc/a.conf", {"</etc/a.conf"}},
      {"ip netns exec $NETNS sysctl -q --load /etc/a.conf '/etc/b c.conf'", {"</etc/a.conf", "</etc/b c.conf"}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1 && ip netns exec $NETNS sysctl net.ipv4.b=2",
       {"net.ipv4.a=1", "net.ipv4.b=2"}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1; ip netns exec $NETNS sysctl -p /f;", {"net.ipv4.a=1", "</f"}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1\n\nip netns exec $NETNS sysctl net.ipv4.b=2\n",
       {"net.ipv4.a=1", "net.ipv4.b=2"}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1;ip netns exec $NETNS sysctl net.ipv4.b=2", {"net.ipv4.a=1", "net.ipv4.b=2"}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=b=c", {"net.ipv4.a=b=c"}},
      // Each of the following remains a command.
      {"", {}},
      {"sysctl net.ipv4.a=1", {}},
      {"ip netns exec other sysctl net.ipv4.a=1", {}},
      {"ip netns exec $NETNSX sysctl net.ipv4.a=1", {}},
      {"ip netns exec '$NETNS' sysctl net.ipv4.a=1", {}},
      {"ip netns exec x$NETNS sysctl net.ipv4.a=1", {}},
      {"ip netns exec $NETNS sysctl", {}},
      {"ip netns exec $NETNS sysctl -a", {}},
      {"ip netns exec $NETNS sysctl -w", {}},
      {"ip netns exec $NETNS sysctl -p", {}},
      {"ip netns exec $NETNS sysctl -p relative.conf", {}},
      {"ip netns exec $NETNS sysctl --system", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a = 1", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1 -w", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=$NETNS", {}},
      {"ip netns exec $NETNS sysctl $NETNS", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=$(cat x)", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=`cat x`", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=\"$X\"", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=\\1", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.conf.*.a=1", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1 > /dev/null", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1 | logger", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1 &", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1 # why", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1 || true", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1 &&", {}},
      {"&& ip netns exec $NETNS sysctl net.ipv4.a=1", {}},
      {"; ip netns exec $NETNS sysctl net.ipv4.a=1", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1 ;; true", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a=1; echo done", {}},
      {"ip netns exec $NETNS sysctl net.ipv4.a='1", {}},
      {"X=1 ip netns exec $NETNS sysctl net.ipv4.a=1", {}},
      {"(ip netns exec $NETNS sysctl net.ipv4.a=1)", {}},
      {"ip -n $NETNS netns exec $NETNS sysctl net.ipv4.a=1", {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.command);
    CHECK(steps_of(row.command) == row.steps);
  }
}

TEST_CASE("the original's example becomes settings where it sets, and its commands stay") {
  const std::string converted = convert_config(config_of(R"(---
# The older form, as operators of netns-events.py have it. $NETNS is set by the daemon.
- netns_regex: ^qrouter-.*
  daemon_startup_actions:
    - ip netns exec $NETNS sysctl net.netfilter.nf_conntrack_tcp_be_liberal=1
    - ip netns exec $NETNS sysctl net.netfilter.nf_conntrack_tcp_loose=1
  inotify_actions:
    - IN_CREATE:
        - ip netns exec $NETNS sysctl net.netfilter.nf_conntrack_tcp_be_liberal=1
        - ip netns exec $NETNS sysctl net.netfilter.nf_conntrack_tcp_loose=1
# every creation and deletion leaves a line in the log
- netns_regex: .*
  daemon_startup_actions:
    - ": empty command to create a log entry"
  inotify_actions:
    - IN_CREATE:
        - ": empty command to create a log entry"
    - IN_DELETE:
        - ": empty command to create a log entry"
)"));
  CHECK(converted.substr(converted.find("version: 1")) == R"(version: 1
policies:
  # rule-1 (line 3): 4 commands converted to settings, 0 kept
  - name: rule-1
    netns: ^qrouter-.*
    sysctls:
      net.netfilter.nf_conntrack_tcp_be_liberal: 1
      net.netfilter.nf_conntrack_tcp_loose: 1
  # rule-2 (line 12): 0 commands converted to settings, 3 kept
  - name: rule-2
    netns: ".*"
    commands:
      capabilities: daemon
      startup:
        - ": empty command to create a log entry"
      events:
        IN_CREATE:
          - ": empty command to create a log entry"
        IN_DELETE:
          - ": empty command to create a log entry"
)");
  config_of(converted);
}

TEST_CASE("what is converted says in comments what was done, and means the same") {
  struct Row {
    std::string older;
    std::string native;  ///< below `policies:`, or everything after the heading
  };
  const std::string head = "  - name: rule-1\n    netns: ^q\n";
  const std::vector<Row> rows{
      // An empty rule.
      {rule({}, {}), "version: 1\npolicies: []\n  # rule-1 (line 1): no commands, rule omitted\n"},
      // Only at creation.
      {rule({}, {set("net.ipv4.a=1")}),
       "  # rule-1 (line 1): 1 command converted to settings, 0 kept\n" + head + "    sysctls:\n      net.ipv4.a: 1\n"},
      // Two values for one key: the later value is kept, at the first one's position.
      {rule({set("net.ipv4.a=1 net.ipv4.b=1"), set("-e net.ipv4.a=2")}, {}),
       "  # rule-1 (line 1): 2 commands converted to settings, 0 kept\n"
       "  # net.ipv4.a had several values; the last one is kept\n" +
           head + "    sysctls:\n      net.ipv4.a: 2\n      net.ipv4.b: 1\n"},
      // A file after a setting overrides it, so it becomes a later policy.
      {rule({set("net.ipv4.a=1"), set("-p /f"), set("-e net.ipv4.b=2")}, {}),
       "  # rule-1 (line 1): 3 commands converted to settings, 0 kept\n"
       "  # /f is read in the format of sysctl.d(5); nswarden config check reports lines that it rejects\n" +
           head + "    sysctls:\n      net.ipv4.a: 1\n" +
           "  - name: rule-1-part-2\n    netns: ^q\n    sysctl_files: /f\n    sysctls:\n      -net.ipv4.b: 2\n"},
      // Settings that the native form rejects, and settings for another event.
      {rule({set("kernel.a=1"), set("net.ipv4.b=01")}, {}, ", IN_DELETE: ['" + set("net.ipv4.a=1") + "']"),
       "  # rule-1 (line 1): 0 commands converted to settings, 3 kept\n"
       "  # cannot convert this command: only keys below net are supported, because only they belong to a netns: " +
           set("kernel.a=1") +
           "\n  # cannot convert this command: a number has a leading zero, so the kernel would read it as octal; write it in "
           "decimal, without the zero: " +
           set("net.ipv4.b=01") +
           "\n  # cannot convert the commands of IN_DELETE that set sysctls: a setting cannot depend on an event\n" + head +
           "    commands:\n      capabilities: daemon\n      startup:\n        - \"" + set("kernel.a=1") + "\"\n        - \"" +
           set("net.ipv4.b=01") + "\"\n      events:\n        IN_DELETE:\n          - \"" + set("net.ipv4.a=1") + "\"\n"},
      // Events with the same name become one list, unless an event between them could occur together with them.
      {rule({}, {"a"}, ", IN_DELETE: [b], IN_CREATE: [c]}, {IN_MOVE: [d], IN_MOVED_TO: [e]}, {IN_MOVE: [f]"),
       "  # rule-1 (line 1): 0 commands converted to settings, 6 kept\n" + head +
           "    commands:\n      capabilities: daemon\n      events:\n        IN_CREATE:\n          - a\n          - c\n       "
           " IN_DELETE:\n          - b\n"
           "        IN_MOVE:\n          - d\n        IN_MOVED_TO:\n          - e\n"
           "  - name: rule-1-part-2\n    netns: ^q\n    commands:\n      capabilities: daemon\n      events:\n        "
           "IN_MOVE:\n          - f\n"},
      // Two rules with the same key.
      {rule({set("net.ipv4.a=1")}, {}) + rule({set("net.ipv4.a=2")}, {}),
       "  # rule-1 (line 1): 1 command converted to settings, 0 kept\n" + head + "    sysctls:\n      net.ipv4.a: 1\n" +
           "  # rule-2 (line 4): 1 command converted to settings, 0 kept\n"
           "  # rule-1 sets net.ipv4.a to another value; where both match, this policy wins\n"
           "  - name: rule-2\n    netns: ^q\n    sysctls:\n      net.ipv4.a: 2\n"},
  };
  for (const Row& row : rows) {
    std::string older = row.older;
    // The row above writes the two maps of this list as one; split them.
    const std::size_t second = older.find(", IN_CREATE: [c]");
    if (second != std::string::npos) older.replace(older.find("[IN_CREATE: ['a']"), 1, "[{");
    if (second != std::string::npos) older.replace(older.find("[f]]"), 4, "[f]}]");
    if (second != std::string::npos) older.replace(older.find(", IN_CREATE: [c]"), 2, "}, {");
    CAPTURE(older);
    const std::string converted = convert_config(config_of(older));
    const std::size_t start = converted.find(row.native.starts_with("version") ? "version: 1\n" : "policies:\n");
    CHECK(converted.substr(start + (row.native.starts_with("version") ? 0 : 10)) == row.native);
    config_of(converted);
  }
}

TEST_CASE("a configuration of the native form is only printed") {
  const Config native =
      config_of("version: 1\npolicies: [{name: p, netns: x, commands: {startup: [" + set("net.ipv4.a=1") + "]}}]\n");
  CHECK(convert_config(native) == print_config(native));
}

TEST_CASE("rules by chance are converted to what is read, always alike, and no command is lost or changed") {
  std::mt19937 source(5);
  const auto below = [&source](std::uint32_t bound) { return static_cast<std::uint32_t>(source() % bound); };
  const std::vector<std::string> pieces{
      set("net.ipv4.a=1"),      set("net.ipv4.b='1 2'"), set("-p /f"),     set("net.core.x=0x1"),
      "echo \"a\\b\"",          "x\u2028\u00e9\n# y",    "\x01\x7f'",      ": #",
      set("net.ipv4.\u202e=1"), "*a &b !c %d @e `f",     "{[]}, - ? : |>", "true"};
  const std::vector<std::string_view> names{"IN_CREATE", "IN_DELETE", "IN_MOVE", "IN_MOVED_TO", "IN_CREATE"};
  std::size_t converted_rules = 0;
  for (int round = 0; round < 300; ++round) {
    Config older;
    older.form = Config::Form::older;
    const auto commands = [&] {
      Strings made;
      for (std::uint32_t i = below(4); i > 0; --i) made.push_back(pieces[below(static_cast<std::uint32_t>(pieces.size()))]);
      return made;
    };
    for (std::uint32_t i = 1 + below(4); i > 0; --i) {
      PolicyConfig made;
      made.name = fmt::format("rule-{}", older.policies.size() + 1);
      made.netns.push_back(std::get<Pattern>(Pattern::compile("^q#: '\"")));
      made.commands.capabilities = CommandCapabilities::daemon;
      made.commands.startup = commands();
      for (std::uint32_t j = below(5); j > 0; --j) {
        const std::string_view name = names[below(static_cast<std::uint32_t>(names.size()))];
        made.commands.events.push_back({std::string(name), *inotify_bits(name), commands()});
      }
      older.policies.push_back(std::move(made));
    }
    const std::string text = convert_config(older);
    if (convert_config(older) != text) FAIL("converted differently the second time");
    const Config native = config_of(text);
    // For every single event, the remaining commands run in the same order as before.
    for (const std::uint32_t bit : {0x100U, 0x200U, 0x40U, 0x80U}) {
      const auto run_by = [bit](const Config& config) {
        Strings run;
        for (const PolicyConfig& policy : config.policies) {
          for (const auto& on : policy.commands.events) {
            for (const std::string& command : on.commands) {
              const bool is_setting =
                  read_sysctl_command(command) && on.event == "IN_CREATE" && command.find("0x1") == std::string::npos;
              if ((on.bits & bit) != 0 && !is_setting) run.push_back(command);
            }
          }
        }
        return run;
      };
      if (run_by(older) != run_by(native)) FAIL("other commands for " << bit << " in:\n" << text);
    }
    for (const PolicyConfig& policy : native.policies) {
      converted_rules += policy.sysctls.empty() ? 0 : 1;
      const bool has_daemons = policy.commands.capabilities == CommandCapabilities::daemon;
      if (has_daemons == policy.commands.empty()) FAIL("commands with other capabilities in:\n" << text);
    }
  }
  CHECK(converted_rules > 100);
}
