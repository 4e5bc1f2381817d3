// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/config.hpp>

#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include <fmt/format.h>

#include <nswarden/config/yaml_tree.hpp>

#include "catch.hpp"
#include "config_words.hpp"

using namespace nswarden;
using namespace std::chrono_literals;

namespace {

using test::config_of;
using test::problems_of;

/// The required `version` comes last, so every proper prefix is invalid.
const std::string good = R"(netns_dirs: [/run/netns, /var/run/other///]
reconcile_interval: 500ms
mode: audit
policies:
  - name: neutron-routers
    netns: ^qrouter-
    mode: enforce
    sysctls:
      net.netfilter.nf_conntrack_tcp_be_liberal: 1
      net/ipv4/conf/eth0.100/rp_filter: "2"
      net.ipv4.tcp_rmem: "4096  87380\t6291456"
  - {name: all, netns: .*, sysctls: {net.ipv4.ip_forward: 0}}
version: 1
)";

/// `LINE:COL: message` of each problem, separated by newlines; empty without problems.
std::string problem_lines(std::string_view text) {
  return fmt::format("{}", fmt::join(test::problem_lines(problems_of(text)), "\n"));
}

/// A file with one policy, with the fields of a test.
std::string with_policy(std::string_view fields) { return fmt::format("version: 1\npolicies:\n  - {}\n", fields); }
std::string with_sysctl(std::string_view entry) {
  return fmt::format("version: 1\npolicies:\n- name: p\n  netns: x\n  sysctls:\n    {}\n", entry);
}

}  // namespace

TEST_CASE("a good file gives every field, with defaults, normal values and places") {
  const Config config = config_of(good);
  CHECK(config.netns_dirs == std::vector<std::string>{"/run/netns", "/var/run/other"});
  CHECK(config.reconcile_interval == 500ms);
  REQUIRE(config.policies.size() == 2);
  const PolicyConfig& routers = config.policies[0];
  CHECK(routers.name == "neutron-routers");
  REQUIRE(routers.netns.size() == 1);
  CHECK(routers.netns[0].text() == "^qrouter-");
  CHECK(routers.mode == Mode::enforce);
  CHECK(routers.position.line == 5);
  REQUIRE(routers.sysctls.size() == 3);
  CHECK(routers.sysctls[0].key.path() == "netfilter/nf_conntrack_tcp_be_liberal");
  CHECK(routers.sysctls[0].want.text() == "1");
  CHECK(routers.sysctls[0].position.line == 9);
  CHECK(routers.sysctls[0].position.column == 7);
  CHECK(routers.sysctls[1].key.path() == "ipv4/conf/eth0.100/rp_filter");
  CHECK(routers.sysctls[1].want.text() == "2");
  CHECK(routers.sysctls[2].want.text() == "4096 87380 6291456");
  CHECK(config.policies[1].mode == Mode::audit);
}

TEST_CASE("a file that says little leaves the rest open, and may want nothing") {
  const Config config = config_of("version: 1\npolicies: []\n");
  CHECK(config.netns_dirs.empty());
  CHECK_FALSE(config.reconcile_interval);
  CHECK(config.policies.empty());
}

TEST_CASE("the shipped configuration loads") {
  std::ifstream file(NSWARDEN_SOURCE_DIR "/config/nswarden.yaml", std::ios::binary);
  REQUIRE(file);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const Config config = config_of(text);
  REQUIRE(config.policies.size() == 1);
  CHECK(config.policies[0].name == "neutron-routers");
  CHECK(config.policies[0].mode == Mode::enforce);
  CHECK(config.policies[0].sysctls.size() == 2);
}

TEST_CASE("no beginning of a good file is taken for the whole") {
  for (std::size_t length = 0; length < good.size(); ++length) {
    if (problems_of(good.substr(0, length)).empty()) FAIL("taken: the first " << length << " bytes");
  }
  CHECK(problems_of(good).empty());
}

TEST_CASE("with the version first, a cut is only missed where a whole sysctl ends") {
  const std::string text =
      "version: 1\npolicies:\n  - name: p\n    netns: x\n    sysctls:\n      net.ipv4.a: 7200\n      net.ipv4.b: 1\n";
  std::set<std::string> taken;
  for (std::size_t length = 0; length < text.size(); ++length) {
    const std::string cut = text.substr(0, length);
    if (problems_of(cut).empty()) taken.insert(cut.substr(cut.rfind('\n', cut.size() - 2) + 1));
  }
  CHECK(taken == std::set<std::string>{"      net.ipv4.a: 7200\n"});
}

TEST_CASE("all problems of a file are told at once, by their places") {
  const std::string text = R"(version: 2
netns_dirs: run/netns
reconcile_interval: 10
mode: on
polices: []
policies:
  - name: a
    netns: (
    sysctl: {}
  - name: a
    mode: audit
    sysctls:
      kernel.core_pattern: 1
      net.ipv4.ip_forward: yes
      net/ipv4/ip_forward: 010
)";
  const std::string reported = problem_lines(text);
  CAPTURE(reported);
  const std::vector<std::string_view> expected{
      "1:10: version: invalid version \"2\", expected 1",
      "2:13: netns_dirs: expected a list, found a single value",
      "3:21: reconcile_interval: invalid duration \"10\"",
      "4:7: mode: invalid mode \"on\"",
      "5:1: unknown field \"polices\"; did you mean \"policies\"?",
      "8:12: policies[0].netns: ",
      "9:5: unknown field \"sysctl\" in policies[0]; did you mean \"sysctls\"?",
      "10:5: policies[1] has no netns; ",
      "10:5: policies[1]: duplicate policy name \"a\", first in line 7",
      "13:7: sysctl \"kernel.core_pattern\": only keys below net",
      "14:28: net.ipv4.ip_forward: sysctls are numbers; write 1 or 0 instead of yes",
      "15:7: duplicate key net.ipv4.ip_forward in policies[1], first in line 14",
      "15:28: net.ipv4.ip_forward: a number has a leading zero",
  };
  std::size_t at = 0;
  for (const std::string_view start : expected) {
    CAPTURE(start);
    const std::size_t end = reported.find('\n', at);
    CHECK(reported.substr(at, start.size()) == start);
    REQUIRE((end == std::string::npos) == (start == expected.back()));
    at = end + 1;
  }
}

TEST_CASE("each mistake has its own line that says what to do") {
  struct Row {
    std::string text;
    std::string_view reported;  ///< substring of the problem
  };
  const std::string longest(128, 'n');
  const std::vector<Row> rows{
      {"--- ~\n", "1:5: the file: expected a mapping, found nothing"},
      {"version\n", "1:1: the file: expected a mapping, found a single value"},
      {"policies: []\n", "1:1: the file has no version; write version: 1"},
      {"version: 1\n", "1:1: the file has no policies; write policies: []"},
      {"version:\npolicies: []\n", "1:1: version: expected a single value, found nothing"},
      {"version: 01\npolicies: []\n", "invalid version \"01\", expected 1"},
      {"version: 1.0\npolicies: []\n", "invalid version \"1.0\", expected 1"},
      {"version: 1\npolicies:\n", "2:1: policies: expected a list, found nothing"},
      {"version: 1\npolicies: {}\n", "2:11: policies: expected a list, found a mapping"},
      {"version: 1\npolicies: [x]\n", "2:12: policies[0]: expected a mapping, found a single value"},
      {"version: 1\npolicies:\n- \n", "policies[0]: expected a mapping, found nothing"},
      {"version: 1\npolicies: []\nfoo: 1\n", "3:1: unknown field \"foo\"; known fields: version, include, netns_dirs"},
      {"version: 1\npolicies: []\n\"a\\nb\": 1\n", "unknown field \"a\\x0ab\""},
      {"version: 1\npolicies: []\nmode: \"\"\n", "3:7: mode: invalid mode \"\", expected enforce or audit"},
      {"version: 1\npolicies: []\nmode: [audit]\n", "3:7: mode: expected a single value, found a list"},
      {"version: 1\npolicies: []\nnetns_dirs: []\n", "3:13: netns_dirs is empty"},
      {"version: 1\npolicies: []\nnetns_dirs: [a]\n", "netns_dirs[0]: invalid path \"a\", expected an absolute path"},
      {"version: 1\npolicies: []\nnetns_dirs: [\"/a\\0b\"]\n",
       "netns_dirs[0]: invalid path \"/a\\x00b\", expected an absolute path"},
      {"version: 1\npolicies: []\nnetns_dirs: [/a, ~]\n", "netns_dirs[1]: expected a single value, found nothing"},
      {"version: 1\npolicies: []\nnetns_dirs: [/a, /b, /a/]\n", "3:22: netns_dirs[2]: duplicate path \"/a\"; remove one"},
      {"version: 1\npolicies: []\nreconcile_interval: 99ms\n", "99ms is too short; the minimum is 100ms"},
      {"version: 1\npolicies: []\ncommand_timeout: 30\n", "command_timeout: invalid duration \"30\""},
      {"version: 1\npolicies: []\nrepair_budget: 0\n", "repair_budget: invalid number \"0\", expected 1 to 1000"},
      {"version: 1\npolicies: []\nrepair_budget: 5x\n", "repair_budget: invalid number \"5x\", expected 1 to 1000"},
      {"version: 1\npolicies: []\nrepair_budget: [5]\n", "repair_budget"},
      {"version: 1\npolicies: []\nrepair_window: 10ms\n", "repair_window: 10ms is too short; the minimum is 1s"},
      {with_policy("netns: x\n    sysctls: {net.ipv4.a: 1}"), "3:5: policies[0] has no name; add one"},
      {with_policy("{name: '', netns: x, sysctls: {net.ipv4.a: 1}}"), "policies[0].name is empty"},
      {with_policy("{name: n" + longest + ", netns: x, sysctls: {net.ipv4.a: 1}}"), "longer than 128 bytes"},
      {with_policy("{name: 'a\\b', netns: x, sysctls: {net.ipv4.a: 1}}"), "it contains a backslash or unprintable characters"},
      {with_policy("{name: \"a\\nb\", netns: x, sysctls: {net.ipv4.a: 1}}"),
       "invalid name \"a\\x0ab\": it contains a backslash or"},
      {with_policy("{name: [a], netns: x, sysctls: {net.ipv4.a: 1}}"), "policies[0].name: expected a single value"},
      {with_policy("{name: a, sysctls: {net.ipv4.a: 1}}"), "policies[0] has no netns; write a regular expression"},
      {with_policy("{name: a, netns: '', sysctls: {net.ipv4.a: 1}}"), "policies[0].netns is empty; write .*"},
      {with_policy("name: a\n    netns: |\n      ^x\n    sysctls: {net.ipv4.a: 1}"), "netns contains a newline"},
      {with_policy("{name: a, netns: x, mode: off, sysctls: {net.ipv4.a: 1}}"), "policies[0].mode: invalid mode \"off\""},
      {with_policy("{name: a, netns: x}"), "policies[0] has no sysctls; write sysctls: with a mapping"},
      {with_policy("{name: a, netns: x, sysctls: {}}"), "policies[0] has no sysctls; write sysctls: with a mapping"},
      {with_policy("{name: a, netns: x, sysctls: }"), "policies[0] has no sysctls; write sysctls: with a mapping"},
      {with_policy("{name: a, netns: x, sysctls: [net.ipv4.a=1]}"), "expected a mapping, found a list"},
      {with_sysctl("net.ipv4.a:"), "6:5: net.ipv4.a has no value"},
      {with_sysctl("net.ipv4.a: ~"), "net.ipv4.a has no value"},
      {with_sysctl("net.ipv4.a: ''"), "net.ipv4.a: the value is empty"},
      {with_sysctl("net.ipv4.a: [1, 2]"), "expected a single value, found a list; write several numbers as"},
      {with_sysctl("net.ipv4.a: {b: 1}"), "6:18: unknown field \"b\" in net.ipv4.a; known fields: value, min, max"},
      {with_sysctl("net.ipv4.a: True"), "write 1 or 0 instead of True"},
      {with_sysctl("net.ipv4.a: no"), "write 1 or 0 instead of no"},
      {with_sysctl("net.ipv4.a: OFF"), "write 1 or 0 instead of OFF"},
      {with_sysctl("net.ipv4.a: 0x2"), "hexadecimal"},
      {with_sysctl("net.ipv4.a: +5"), "plus sign"},
      {with_sysctl("net.ipv4.a: \"1\\0\""), "NUL"},
      {with_sysctl("net.ipv4.a: |\n      1"), "newline"},
      {with_sysctl("net/ipv4/../../kernel/core_pattern: 1"), "6:5: sysctl \"net/ipv4/../../kernel/core_pattern\": "},
      {with_sysctl("\"net.ipv4.a\\0\": 1"), "sysctl \"net.ipv4.a\\x00\": the key contains a NUL"},
      {with_sysctl("/proc/sys/net/ipv4/a: 1"), "write the key without /proc/sys/"},
      {with_sysctl("'': 1"), "the key is empty"},
      {with_sysctl("net.ipv4.a: 1\n    net/ipv4/a: 1"), "7:5: duplicate key net.ipv4.a in policies[0], first in line 6"},
      {with_sysctl("net.ipv4.a: 1\n    net.ipv4.a: 1"), "7:5: duplicate \"net.ipv4.a\", first in line 6"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const std::string reported = problem_lines(row.text);
    CAPTURE(reported);
    CHECK(reported.find(row.reported) != std::string::npos);
    CHECK(reported.find('\n') == std::string::npos);
  }
}

TEST_CASE("words in quotes and numbers in quotes are values as they stand") {
  CHECK(config_of(with_sysctl("net.ipv4.a: \"yes\"")).policies[0].sysctls[0].want.text() == "yes");
  CHECK(config_of(with_sysctl("net.ipv4.a: '-1'")).policies[0].sysctls[0].want.text() == "-1");
  CHECK(config_of(with_sysctl("net.ipv4.a: bbr")).policies[0].sysctls[0].want.text() == "bbr");
}

TEST_CASE("a secret that is refused is not repeated by the message") {
  const std::string reported = problem_lines(with_sysctl("net.ipv4.tcp_fastopen_key: 0x5ec2e7"));
  CHECK_FALSE(reported.empty());
  CHECK(reported.find("5ec2e7") == std::string::npos);
}

TEST_CASE("a problem of the YAML itself does not hide those of the fields") {
  const std::string reported = problem_lines("version: 2\npolicies: &all []\n");
  CHECK(reported.find("1:10: version") != std::string::npos);
  CHECK(reported.find("2:11: anchors") != std::string::npos);
}

TEST_CASE("a value that was refused once is not refused again for its kind") {
  const std::string reported = problem_lines("version: &v 1\npolicies: *v\n");
  CHECK(reported.find("2:11: aliases") != std::string::npos);
  CHECK(reported.find("expected a list") == std::string::npos);
}

TEST_CASE("messages stay short, whatever the file says") {
  const std::string word(10000, 'w');
  for (const std::string& text : {"version: " + word + "\npolicies: []\n", word + ": 1\n", with_sysctl(word + ": 1"),
                                  with_policy("{name: a, netns: x, mode: " + word + "}")}) {
    CHECK(problem_lines(text).size() < 600);
  }
}

TEST_CASE("a file of the largest size is read") {
  std::string text = "version: 1\npolicies:\n- name: p\n  netns: x\n  sysctls:\n";
  constexpr std::size_t settings = 1000;
  for (std::size_t i = 0; i < settings; ++i) text += fmt::format("    net.ipv4.conf.eth{}.forwarding: 1\n", i);
  text += "#" + std::string(max_config_size - text.size() - 2, '.') + "\n";
  REQUIRE(text.size() == max_config_size);
  CHECK(config_of(text).policies[0].sysctls.size() == settings);
}

TEST_CASE("a problem is shown as FILE:LINE:COL: message, hostile file names included") {
  CHECK(format_problem("/etc/nswarden/nswarden.yaml", {{3, 7}, "what"}) == "/etc/nswarden/nswarden.yaml:3:7: what");
  CHECK(format_problem("a\nb", {{1, 1}, "what"}) == "a\\x0ab:1:1: what");
}
