// SPDX-License-Identifier: Apache-2.0
// The policy language: accepted forms of each field, and the exact position of each rejection.
#include <nswarden/config/config.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "config_words.hpp"

using namespace nswarden;

namespace {

using test::config_of;
using test::Strings;

Strings problem_lines(std::string_view text) { return test::problem_lines(test::problems_of(text)); }

Strings texts_of(const std::vector<Pattern>& patterns) {
  Strings texts;
  for (const Pattern& pattern : patterns) texts.push_back(pattern.text());
  return texts;
}

/// A file with one policy, named in line 3; `fields` starts at line 4.
std::string with_policy(std::string_view fields) { return "version: 1\npolicies:\n- name: p\n" + std::string(fields); }

/// `entries` of sysctls, starting at line 6.
std::string with_sysctls(std::string_view entries) { return with_policy("  netns: x\n  sysctls:\n" + std::string(entries)); }

constexpr std::string_view wish = "  sysctls: {net.ipv4.a: 1}\n";

struct Row {
  std::string text;
  Strings reported;  ///< prefixes of the problems
};

void check_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.text);
    test::check_starts(problem_lines(row.text), row.reported);
  }
}

}  // namespace

TEST_CASE("every field of a policy is read, as one or as a list") {
  const Config config = config_of(R"(version: 1
follow_links: true
include: [a.yaml, conf.d]
policies:
  - name: one
    netns: ^q
    exclude: ^qx
    interfaces: qr-
    sysctl_files: /etc/x.conf
    sysctls: {net.ipv4.conf.*.rp_filter: 2}
  - name: several
    netns: [^a, "net:\\["]
    exclude: [^x, ^y]
    host: true
    discover: processes
    interfaces: [qr-, qg-]
    mode: audit
    allow_global: true
    restore: true
    sysctl_files: [x.d, y.conf]
    observe: [net.netfilter.nf_conntrack_count, net.ipv4.conf.*.forwarding]
  - {name: host, host: true, commands: {startup: [x]}}
)");
  CHECK(config.links == Links::follow);
  REQUIRE(config.include.size() == 2);
  CHECK(config.include[0].path == "a.yaml");
  CHECK(config.include[1].position.line == 3);
  CHECK(config.include[1].position.column == 19);
  REQUIRE(config.policies.size() == 3);
  const PolicyConfig& one = config.policies[0];
  CHECK(texts_of(one.netns) == Strings{"^q"});
  CHECK(texts_of(one.exclude) == Strings{"^qx"});
  CHECK(texts_of(one.interfaces) == Strings{"qr-"});
  CHECK(one.sysctl_files.at(0).path == "/etc/x.conf");
  CHECK_FALSE((one.host || one.processes || one.allow_global || one.restore));
  const PolicyConfig& several = config.policies[1];
  CHECK(texts_of(several.netns) == Strings{"^a", "net:\\["});
  CHECK(texts_of(several.exclude) == Strings{"^x", "^y"});
  CHECK(texts_of(several.interfaces) == Strings{"qr-", "qg-"});
  CHECK((several.host && several.processes && several.allow_global && several.restore));
  CHECK(several.mode == Mode::audit);
  CHECK(several.sysctl_files.at(1).path == "y.conf");
  REQUIRE(several.observe.size() == 2);
  CHECK(several.observe[1].key.name() == "net.ipv4.conf.*.forwarding");
  CHECK(several.observe[1].position.line == 21);
  CHECK(config.policies[2].netns.empty());
  CHECK(config.policies[2].host);
}

TEST_CASE("every way to say what is wanted of a key is read") {
  const Config config = config_of(with_sysctls(R"(    net.ipv4.ip_forward: 1
    -net.ipv4.tcp_fin_timeout: 60
    net.ipv4.tcp_rmem: {value: "4096  87380 6291456", note: "as measured: 2026"}
    net.ipv4.tcp_wmem: {min: 4096, set: "4096 16384 4194304"}
    net.core.somaxconn: {max: 8192, optional: true}
    net.ipv4.tcp_keepalive_time: {between: [60, 7200], set: 600, mode: audit}
    net.ipv4.conf.*.rp_filter: {one_of: [0, 2], set: 2, mode: enforce}
    net.ipv4.conf.all.rp_filter: {not: 1}
    net.ipv4.tcp_congestion_control: {regex: "cubic|bbr", set: bbr}
    -net.ipv4.conf.lo.rp_filter:
    -net.ipv4.conf.veth*.rp_filter: ~
)"));
  const PolicyConfig& policy = config.policies[0];
  struct Wanted {
    std::string_view key;
    std::string_view want;
    std::optional<std::string> set;
    bool optional = false;
    std::optional<Mode> mode{};
  };
  const std::vector<Wanted> wanted{
      {"net.ipv4.ip_forward", "1", "1"},
      {"net.ipv4.tcp_fin_timeout", "60", "60", true},
      {"net.ipv4.tcp_rmem", "4096 87380 6291456", "4096 87380 6291456"},
      {"net.ipv4.tcp_wmem", ">= 4096", "4096 16384 4194304"},
      {"net.core.somaxconn", "<= 8192", std::nullopt, true},
      {"net.ipv4.tcp_keepalive_time", "60..7200", "600", false, Mode::audit},
      {"net.ipv4.conf.*.rp_filter", "one of 0, 2", "2", false, Mode::enforce},
      {"net.ipv4.conf.all.rp_filter", "not 1", std::nullopt},
      {"net.ipv4.tcp_congestion_control", "matches cubic|bbr", "bbr"},
  };
  REQUIRE(policy.sysctls.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Setting& setting = policy.sysctls[i];
    CAPTURE(wanted[i].key);
    CHECK(setting.key.name() == wanted[i].key);
    CHECK(setting.want.text() == wanted[i].want);
    CHECK(setting.want.set() == wanted[i].set);
    CHECK(setting.optional == wanted[i].optional);
    CHECK(setting.mode == wanted[i].mode);
    CHECK(setting.position.line == 6 + static_cast<int>(i));
    CHECK(setting.position.column == 5);
  }
  CHECK(policy.sysctls[2].note == "as measured: 2026");
  REQUIRE(policy.exclusions.size() == 2);
  CHECK(policy.exclusions[0].name() == "net.ipv4.conf.lo.rp_filter");
  CHECK(policy.exclusions[1].name() == "net.ipv4.conf.veth*.rp_filter");
}

TEST_CASE("what a policy says wrong of itself is refused where it says it") {
  const std::string netns = "  netns: x\n" + std::string(wish);
  check_rows({
      {"version: 1\npolicies: []\nfollow_links: yes\n",
       {"3:15: follow_links: invalid boolean \"yes\", expected true or false, without quotes"}},
      {"version: 1\npolicies: []\nfollow_links: \"true\"\n", {"3:15: follow_links: invalid boolean \"true\""}},
      {"version: 1\npolicies: []\nfollow_links: [true]\n", {"3:15: follow_links: expected a single value, found a list"}},
      {"version: 1\npolicies: []\ninclude: ''\n", {"3:10: include: invalid path \"\", expected"}},
      {"version: 1\npolicies: []\ninclude: []\n", {"3:10: include is an empty list; remove it"}},
      {"version: 1\npolicies: []\ninclude: {a: b}\n", {"3:10: include: expected a single value or a list, found a mapping"}},
      {"version: 1\npolicies: []\ninclude: [a, {}, \"b\\n\", a]\n",
       {"3:14: include[1]: expected a single value, found a mapping", "3:18: include[2]: invalid path \"b\\x0a\"",
        "3:25: include[3]: duplicate path \"a\"; remove one"}},
      {with_policy("  netns: []\n" + std::string(wish)), {"4:10: policies[0].netns is an empty list; remove it"}},
      {with_policy("  netns: {}\n" + std::string(wish)),
       {"4:10: policies[0].netns: expected a single value or a list, found a mapping"}},
      {with_policy("  netns: [a, (, '', ~]\n" + std::string(wish)),
       {"4:14: policies[0].netns[1]: not a valid RE2 pattern", "4:17: policies[0].netns[2] is empty; write .*",
        "4:21: policies[0].netns[3]: expected a single value, found nothing"}},
      {with_policy("  netns: a\n  exclude: (?=x)\n" + std::string(wish)),
       {"5:12: policies[0].exclude: not a valid RE2 pattern"}},
      {with_policy(std::string(wish)), {"3:3: policies[0] has no netns; write a regular expression for netns names"}},
      {with_policy("  host: false\n" + std::string(wish)), {"3:3: policies[0] has no netns; write"}},
      {with_policy("  host: 1\n" + std::string(wish)), {"4:9: policies[0].host: invalid boolean \"1\""}},
      {with_policy("  host: true\n  discover: processes\n" + std::string(wish)),
       {"3:3: policies[0] has no netns; discover: requires"}},
      {with_policy("  discover: all\n" + netns), {"4:13: policies[0].discover: invalid value \"all\", expected processes"}},
      {with_policy("  allow_global: maybe\n" + netns), {"4:17: policies[0].allow_global: invalid boolean \"maybe\""}},
      {with_policy("  restore: {}\n" + netns), {"4:12: policies[0].restore: expected a single value, found a mapping"}},
      {with_policy("  restores: true\n" + netns),
       {"4:3: unknown field \"restores\" in policies[0]; did you mean \"restore\"?"}},
      {with_policy("  interfaces: qr-\n" + netns),
       {"4:3: policies[0].interfaces has no effect: no key of the policy has a glob for interfaces"}},
      {with_policy("  interfaces: qr-\n  netns: x\n  sysctls: {net.ipv4.conf.eth0.a*: 1}\n"),
       {"4:3: policies[0].interfaces has no effect"}},
      {with_policy("  netns: x\n"),
       {"3:3: policies[0] has no sysctls; write sysctls: with a mapping of keys to values, or sysctl_files:"}},
      {with_policy("  netns: x\n  sysctl_files: []\n"), {"5:17: policies[0].sysctl_files is an empty list"}},
      {with_policy("  netns: x\n  observe: []\n"), {"5:12: policies[0].observe is an empty list"}},
      {with_policy("  netns: x\n  observe: net.ipv4.a\n"),
       {"5:12: policies[0].observe: expected a list, found a single value"}},
      {with_policy(
           "  netns: x\n  observe: [kernel.a, net.ipv4.a, net/ipv4/a, net.ipv4.route.flush, net.ipv4.tcp_fastopen_key]\n"),
       {"5:13: policies[0].observe[0]: \"kernel.a\": only keys below net",
        "5:35: duplicate key net.ipv4.a in policies[0].observe, first in line 5",
        "5:47: policies[0].observe[3]: net.ipv4.route.flush is write-only",
        "5:69: policies[0].observe[4]: net.ipv4.tcp_fastopen_key is secret"}},
  });
}

TEST_CASE(
    "a policy whose interfaces have a use is taken: by a glob that is wanted, that is observed, or that a file may have") {
  for (const char* fields :
       {"  sysctls: {net.ipv4.conf.*.a: 1}\n", "  observe: [net.ipv6.neigh.qr-*.a]\n", "  sysctl_files: x\n"}) {
    CHECK(problem_lines(with_policy("  netns: x\n  interfaces: qr-\n" + std::string(fields))).empty());
  }
}

TEST_CASE("what is wanted of a key is refused where it cannot be meant") {
  check_rows({
      {with_sysctls("    net.ipv4.a: {}\n"),
       {"6:17: net.ipv4.a has neither a value nor a condition; write value: or one of min:"}},
      {with_sysctls("    net.ipv4.a: {optional: true}\n"), {"6:17: net.ipv4.a has neither a value nor a condition"}},
      {with_sysctls("    net.ipv4.a: {vale: 1}\n"), {"6:18: unknown field \"vale\" in net.ipv4.a; did you mean \"value\"?"}},
      {with_sysctls("    net.ipv4.a: {value: 1, set: 1}\n"),
       {"6:28: net.ipv4.a: set: has no effect with value:, because value: is written"}},
      {with_sysctls("    net.ipv4.a: {min: 1, max: 2}\n"), {"6:26: net.ipv4.a has both min and max; keep one of them"}},
      {with_sysctls("    net.ipv4.a: {max: 2, min: 1}\n"), {"6:26: net.ipv4.a has both min and max; keep one of them"}},
      {with_sysctls("    net.ipv4.a: {value: }\n"), {"6:18: net.ipv4.a.value has no value"}},
      {with_sysctls("    net.ipv4.a: {value: [1]}\n"), {"6:25: net.ipv4.a.value: expected a single value, found a list"}},
      {with_sysctls("    net.ipv4.a: {value: yes}\n"),
       {"6:25: net.ipv4.a.value: sysctls are numbers; write 1 or 0 instead of yes"}},
      {with_sysctls("    net.ipv4.a: {min: 010}\n"), {"6:23: net.ipv4.a.min: a number has a leading zero"}},
      {with_sysctls("    net.ipv4.a: {min: many}\n"), {"6:23: net.ipv4.a.min: "}},
      {with_sysctls("    net.ipv4.a: {between: 1}\n"), {"6:27: net.ipv4.a.between: expected a list, found a single value"}},
      {with_sysctls("    net.ipv4.a: {between: [1]}\n"),
       {"6:27: net.ipv4.a.between: expected two numbers, found 1; write [LEAST, MOST]"}},
      {with_sysctls("    net.ipv4.a: {between: [1, 2, 3]}\n"), {"6:27: net.ipv4.a.between: expected two numbers, found 3"}},
      {with_sysctls("    net.ipv4.a: {between: [2, 1]}\n"), {"6:27: net.ipv4.a.between: "}},
      {with_sysctls("    net.ipv4.a: {between: [0x1, '']}\n"),
       {"6:28: net.ipv4.a.between[0]: a number is in hexadecimal", "6:33: net.ipv4.a.between[1]: the value is empty"}},
      {with_sysctls("    net.ipv4.a: {one_of: []}\n"), {"6:26: net.ipv4.a.one_of is empty; write at least one value"}},
      {with_sysctls("    net.ipv4.a: {one_of: 1}\n"), {"6:26: net.ipv4.a.one_of: expected a list, found a single value"}},
      {with_sysctls("    net.ipv4.a: {one_of: [1, no]}\n"),
       {"6:30: net.ipv4.a.one_of[1]: sysctls are numbers; write 1 or 0 instead of no"}},
      {with_sysctls("    net.ipv4.a: {not: {}}\n"), {"6:23: net.ipv4.a.not: expected a single value, found a mapping"}},
      {with_sysctls("    net.ipv4.a: {regex: (}\n"), {"6:25: net.ipv4.a.regex: not a valid RE2 pattern"}},
      {with_sysctls("    net.ipv4.a: {regex: \"a\\n\"}\n"), {"6:25: net.ipv4.a.regex contains a newline"}},
      {with_sysctls("    net.ipv4.a: {regex: [a]}\n"), {"6:25: net.ipv4.a.regex: expected a single value, found a list"}},
      {with_sysctls("    net.ipv4.a: {min: 5, set: 4}\n"),
       {"6:23: net.ipv4.a.min: the value of set: does not meet the condition"}},
      {with_sysctls("    net.ipv4.a: {min: 5, set: +6}\n"), {"6:31: net.ipv4.a.set: a number has a plus sign"}},
      {with_sysctls("    net.ipv4.a: {min: 5, mode: enforce}\n"),
       {"6:32: net.ipv4.a: mode: enforce requires set:, the value to write when the condition does not hold; add it"}},
      {with_sysctls("    net.ipv4.a: {value: 5, mode: strict}\n"), {"6:34: net.ipv4.a.mode: invalid mode \"strict\""}},
      {with_sysctls("    net.ipv4.a: {value: 5, optional: maybe}\n"), {"6:38: net.ipv4.a.optional: invalid boolean \"maybe\""}},
      {with_sysctls("    -net.ipv4.a: {value: 5, optional: false}\n"),
       {"6:39: net.ipv4.a: optional: false contradicts the '-' before the key"}},
      {with_sysctls("    net.ipv4.a: {value: 5, note: ''}\n"), {"6:34: net.ipv4.a.note is empty"}},
      {with_sysctls("    net.ipv4.a: {value: 5, note: \"a\\nb\"}\n"), {"6:34: net.ipv4.a.note contains a newline"}},
      {with_sysctls("    net.ipv4.a: {value: 5, note: " + std::string(513, 'n') + "}\n"),
       {"6:34: net.ipv4.a.note is longer than 512"}},
      {with_sysctls("    --net.ipv4.a: 1\n"), {"6:5: sysctl \"--net.ipv4.a\": a leading '-' is not allowed here"}},
      {with_sysctls("    net.ipv4.[a: 1\n"), {"6:5: sysctl \"net.ipv4.[a\": a bracket [ is not closed"}},
      {with_sysctls("    net.*.a: 1\n"),
       {"6:5: sysctl \"net.*.a\": the first two components, such as net.ipv4, must not contain wildcards"}},
      {with_sysctls("    net.ipv4.a: 1\n    -net/ipv4/a: 1\n"),
       {"7:5: duplicate key net.ipv4.a in policies[0], first in line 6"}},
      {with_sysctls("    net.ipv4.conf.*.a: 1\n    net/ipv4/conf/*/a: 1\n"),
       {"7:5: duplicate key net.ipv4.conf.*.a in policies[0]"}},
      {with_sysctls("    -net.ipv4.a:\n    -net/ipv4/a:\n"),
       {"7:5: duplicate key net.ipv4.a in the exclusions of policies[0], first in line 6"}},
      {with_sysctls("    net.ipv4.route.flush: 1\n"), {"6:5: net.ipv4.route.flush is write-only, so its value"}},
      {with_sysctls("    net.ipv4.tcp_rmem: 1\n"), {"6:24: net.ipv4.tcp_rmem: invalid value, expected 3 numbers, found 1"}},
      {with_sysctls("    net.ipv4.ip_forward: x\n"), {"6:26: net.ipv4.ip_forward: invalid value, expected only numbers"}},
      {with_sysctls("    net.netfilter.nf_conntrack_max: 1\n"),
       {"6:5: net.netfilter.nf_conntrack_max is writable only in the host's own"}},
  });
}

TEST_CASE("keys of the whole host are taken where the policy says so") {
  const std::string sysctls = "  sysctls: {net.netfilter.nf_conntrack_max: 1}\n";
  CHECK(problem_lines(with_policy("  netns: x\n  allow_global: true\n" + sysctls)).empty());
  CHECK(problem_lines(with_policy("  host: true\n" + sysctls)).empty());
  CHECK(problem_lines(with_policy("  netns: x\n  observe: [net.netfilter.nf_conntrack_max]\n")).empty());
}

TEST_CASE("an exclusion that no glob of its policy takes is fine, and so is one beside the key itself") {
  CHECK(problem_lines(with_sysctls("    -net.ipv4.conf.eth0.a:\n    net.ipv4.b: 1\n    -net.ipv4.b:\n")).empty());
}

TEST_CASE("no message repeats a secret, whatever is wrong with it") {
  for (const char* setting :
       {"0x5ec2e7", "{value: \"5ec2e7 5ec2e7\"}", "{min: 5ec2e7}", "{not: [5ec2e7]}", "{regex: \"(5ec2e7\"}",
        "{one_of: [5ec2e7]}", "{regex: \"(?=5ec2e7)\", set: 5ec2e7}", "{between: [5ec2e7, 0x5ec2e7]}"}) {
    const Strings reported = problem_lines(with_sysctls("    net.ipv4.tcp_fastopen_key: " + std::string(setting) + "\n"));
    CAPTURE(setting, reported);
    REQUIRE_FALSE(reported.empty());
    for (const std::string& line : reported) CHECK(line.find("5ec2e7") == std::string::npos);
  }
}
