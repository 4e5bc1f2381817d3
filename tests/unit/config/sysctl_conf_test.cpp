// SPDX-License-Identifier: Apache-2.0
#include "config/sysctl_conf.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <nswarden/config/yaml_tree.hpp>

#include "catch.hpp"
#include "config_words.hpp"

using namespace nswarden;
using namespace std::string_literals;

namespace {

using test::Strings;

PolicyConfig policy_named_p() {
  PolicyConfig policy;
  policy.name = "p";
  return policy;
}

Strings problem_lines(std::string_view text, const PolicyConfig& policy = policy_named_p()) {
  return test::problem_lines(parse_sysctl_conf(text, policy).problems);
}

}  // namespace

TEST_CASE("settings, exclusions and comments of sysctl.d(5) are read, each with its place") {
  const SysctlConf conf = parse_sysctl_conf(R"(# a comment
; another

net.ipv4.ip_forward = 1
net/ipv4/conf/eth0.100/rp_filter=2
  -net.ipv4.tcp_fin_timeout  =  60
net.ipv4.tcp_rmem = 4096  87380   6291456
net.ipv4.conf.*.rp_filter = 0
-net.ipv4.conf.lo.rp_filter
 - net.ipv4.x
net.ipv4.tcp_congestion_control=a=b#c
)",
                                            policy_named_p(), 7);
  REQUIRE(conf.problems.size() == 1);
  CHECK(format_problem("f", conf.problems[0]).starts_with("f:10:2: sysctl \"- net.ipv4.x\": the key contains white space"));
  CHECK(conf.problems[0].position.file == 7);
  struct Wanted {
    std::string_view key;
    std::string_view want;
    int line = 0;
    int column = 1;
    bool optional = false;
  };
  const std::vector<Wanted> wanted{{"net.ipv4.ip_forward", "1", 4},
                                   {"net.ipv4.conf.eth0/100.rp_filter", "2", 5},
                                   {"net.ipv4.tcp_fin_timeout", "60", 6, 3, true},
                                   {"net.ipv4.tcp_rmem", "4096 87380 6291456", 7},
                                   {"net.ipv4.conf.*.rp_filter", "0", 8},
                                   {"net.ipv4.tcp_congestion_control", "a=b#c", 11}};
  REQUIRE(conf.settings.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Setting& setting = conf.settings[i];
    CAPTURE(wanted[i].key);
    CHECK(setting.key.name() == wanted[i].key);
    CHECK(setting.want.text() == wanted[i].want);
    CHECK(setting.position.line == wanted[i].line);
    CHECK(setting.position.column == wanted[i].column);
    CHECK(setting.position.file == 7);
    CHECK(setting.optional == wanted[i].optional);
    CHECK_FALSE(setting.mode);
  }
  REQUIRE(conf.exclusions.size() == 1);
  CHECK(conf.exclusions[0].name() == "net.ipv4.conf.lo.rp_filter");
}

TEST_CASE("a file with nothing in it wants nothing") {
  CHECK(problem_lines("").empty());
  CHECK(problem_lines("# only\n\n").empty());
}

TEST_CASE("each mistake in a file of sysctl.d(5) is told by its exact place") {
  struct Row {
    std::string text;
    Strings reported;  ///< prefixes of the problems
  };
  const std::vector<Row> rows{
      {"net.ipv4.a\n", {"1:1: net.ipv4.a has no value; write KEY = VALUE, or -KEY to exclude it from globs"}},
      {"net.ipv4.a =\n", {"1:12: net.ipv4.a: the value is empty"}},
      {"net.ipv4.a = 010\n", {"1:14: net.ipv4.a: a number has a leading zero"}},
      {"net.ipv4.a = 1 # why\n",
       {"1:14: net.ipv4.a: the value contains a comment; sysctl.d(5) allows comments only on separate lines"}},
      {"net.ipv4.a = 1 ;why\n",
       {"1:14: net.ipv4.a: the value contains a comment; sysctl.d(5) allows comments only on separate lines"}},
      {"= 1\n", {"1:1: sysctl \"\": the key is empty"}},
      {"-\n", {"1:1: sysctl \"-\": the key is empty"}},
      {"--net.ipv4.a = 1\n", {"1:1: sysctl \"--net.ipv4.a\": a leading '-'"}},
      {"kernel.panic = 1\nkernal.x = 2\n-vm.x\n", {"2:1: sysctl \"kernal.x\": only keys below net"}},
      {"net/ipv4/../../kernel/x = 1\n", {"1:1: sysctl \"net/ipv4/../../kernel/x\": the key has a component '.' or '..'"}},
      {"net.ipv4.a = 1\nnet/ipv4/a = 1\n", {"2:1: duplicate key net.ipv4.a, first in line 1; remove one"}},
      {"net.ipv4.a = 1\n-net.ipv4.a = 2\n", {"2:1: duplicate key net.ipv4.a"}},
      {"-net.ipv4.a\n-net.ipv4.a\n", {"2:1: duplicate key net.ipv4.a"}},
      {"net.ipv4.a = 1\n-net.ipv4.a\n", {"2:1: duplicate key net.ipv4.a"}},
      {"-net.ipv4.a\n-net.ipv4.a = 1\n", {"2:1: duplicate key net.ipv4.a"}},
      {"net.ipv4.route.flush = 1\n", {"1:1: net.ipv4.route.flush is write-only"}},
      {" net.netfilter.nf_conntrack_max = 1\n", {"1:2: net.netfilter.nf_conntrack_max is writable only in the host's own"}},
      {"net.ipv4.tcp_rmem = 1\n", {"1:21: net.ipv4.tcp_rmem: invalid value, expected 3 numbers"}},
      {"net.ipv4.a = 1\r\n", {"1:15: unexpected carriage return"}},
      {"net.ipv4.a = 1\0\n"s, {"1:15: unexpected NUL byte"}},
      {"net.ipv4.a = \xff\n", {"1:14: invalid UTF-8 byte"}},
      {"\xEF\xBB\xBFnet.ipv4.a = 1\n", {"1:1: the file starts with a byte order mark"}},
      {"net.ipv4.a = 72", {"1:16: the file does not end with a newline; it may be truncated"}},
      {"net.ipv4.b = 1\nnet.ipv4.a =", {"2:12: net.ipv4.a: the value is empty", "2:13: the file does not end with a newline"}},
      {"#" + std::string(max_sysctl_line, 'x') + "\nnet.ipv4.a = 01\n",
       {"1:1: the line is longer than 8192 bytes", "2:14: net.ipv4.a: a number has a leading zero"}},
      {std::string(max_config_size + 1, '\n'), {"1:1: the file is larger than 1 MiB"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text.substr(0, 100));
    test::check_starts(problem_lines(row.text), row.reported);
  }
}

TEST_CASE("keys of the whole host are taken from a file where its policy says so") {
  PolicyConfig policy = policy_named_p();
  policy.allow_global = true;
  CHECK(problem_lines("net.netfilter.nf_conntrack_max = 1\n", policy).empty());
}

TEST_CASE("no message about a file repeats a secret") {
  const Strings reported =
      problem_lines("net.ipv4.tcp_fastopen_key = 5ec2e7\n-net.ipv6.conf.*.stable_secret = 5ec2e7 # 5ec2e7\n");
  REQUIRE(reported.size() == 2);
  for (const std::string& line : reported) CHECK(line.find("5ec2e7") == std::string::npos);
}
