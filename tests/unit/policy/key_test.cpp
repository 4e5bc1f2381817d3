// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/key.hpp>

#include <random>
#include <vector>

#include "catch.hpp"

using namespace nswarden;
using namespace std::string_literals;

namespace {

Key key(std::string_view text) {
  auto parsed = Key::parse(text);
  const auto* problem = std::get_if<Problem>(&parsed);
  INFO(text << ": " << (problem == nullptr ? "" : problem->message));
  REQUIRE(problem == nullptr);
  return *std::get_if<Key>(&parsed);
}

/// The reason of the rejection; empty if accepted.
std::string refusal(std::string_view text) {
  auto parsed = Key::parse(text);
  const auto* problem = std::get_if<Problem>(&parsed);
  return problem == nullptr ? "" : problem->message;
}

}  // namespace

TEST_CASE("a key is read in the syntax of sysctl.d(5), by its first separator") {
  struct Row {
    std::string_view text;
    std::string_view path;
    std::string_view name;
  };
  const std::vector<Row> rows{
      {"net.ipv4.ip_forward", "ipv4/ip_forward", "net.ipv4.ip_forward"},
      {"net/ipv4/ip_forward", "ipv4/ip_forward", "net.ipv4.ip_forward"},
      {"net.ipv4.conf.eth0/100.rp_filter", "ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter"},
      {"net/ipv4/conf/eth0.100/rp_filter", "ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter"},
      {"net.ipv4.conf.eth0.100.rp_filter", "ipv4/conf/eth0/100/rp_filter", "net.ipv4.conf.eth0.100.rp_filter"},
      {"net.ipv4.conf.a-b_c=$(id)'\"@!.rp_filter", "ipv4/conf/a-b_c=$(id)'\"@!/rp_filter",
       "net.ipv4.conf.a-b_c=$(id)'\"@!.rp_filter"},
      {"net/ipv4/conf/.../rp_filter", "ipv4/conf/.../rp_filter", "net.ipv4.conf.///.rp_filter"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(key(row.text).path() == row.path);
    CHECK(key(row.text).name() == row.name);
    CHECK(key(row.name) == key(row.text));
  }
}

TEST_CASE("a key that would leave net or cannot be meant is refused with its reason") {
  struct Row {
    std::string text;
    std::string_view reason;  ///< substring of the reason
  };
  const std::vector<Row> rows{
      {"", "empty"},
      {"net", "directory"},
      {"net.ipv4", "directory"},
      {"net/ipv4", "directory"},
      {"kernel.core_pattern", "below net"},
      {"kernel/core_pattern", "below net"},
      {"network.ipv4.x", "below net"},
      {"Net.ipv4.x", "below net"},
      {"..net.ipv4.x", "separator"},
      {".net.ipv4.x", "separator"},
      {"/net/ipv4/x", "separator"},
      {"//net/ipv4/x", "separator"},
      {"/etc/passwd", "separator"},
      {"/proc/sys/net/ipv4/ip_forward", "/proc/sys/"},
      {"/proc/sys/kernel/core_pattern", "/proc/sys/"},
      {"../kernel/core_pattern", "separator"},
      {"net/../kernel/core_pattern", "'..'"},
      {"net/ipv4/../../kernel/core_pattern", "'..'"},
      {"net/ipv4/..", "'..'"},
      {"net/ipv4/./ip_forward", "'.'"},
      {"net/ipv4/.", "'.'"},
      {"net.ipv4.//.//.kernel.core_pattern", "'..'"},  // in this notation, a slash is a dot
      {"net.ipv4.//", "'..'"},
      {"net.ipv4./.x", "'.'"},
      {"net.ipv4.../../kernel.core_pattern", "empty component"},
      {"net..ipv4.x", "empty component"},
      {"net//ipv4/x", "empty component"},
      {"net.ipv4.x.", "empty component"},
      {"net/ipv4/x/", "empty component"},
      {"net.", "empty component"},
      {"net.ipv4.x\0"s, "NUL"},
      {"net.ipv4.x\0/../../kernel/core_pattern"s, "NUL"},
      {"net.ipv4.x y", "white space"},
      {" net.ipv4.x", "white space"},
      {"net.ipv4.x\n", "white space"},
      {"net.ipv4.x\t", "white space"},
      {"net.ipv4.\x7fx", "control"},
      {"net.ipv4.conf.*.rp_filter", "wildcards"},
      {"net.ipv4.conf.eth?.rp_filter", "wildcards"},
      {"net.ipv4.conf.eth[01].rp_filter", "wildcards"},
      {"-net.ipv4.ip_forward", "leading '-'"},
      {"net.ipv4." + std::string(300, 'x'), "255"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(refusal(row.text).find(row.reason) != std::string::npos);
  }
}

TEST_CASE("a key that was found in a netns is taken as it is, unless its path could lead elsewhere") {
  for (const auto path :
       {"ipv4/ip_forward", "ipv4/conf/a\"b/rp_filter", "ipv4/conf/$(id)/rp_filter", "ipv4/conf/*/rp_filter",
        "ipv4/conf/eth0.100/rp_filter", "ipv4/conf/-x/rp_filter", "ipv4/conf/\xff\xfe/rp_filter", "ipv4/conf/.../rp_filter"}) {
    CAPTURE(path);
    const auto found = Key::at(path);
    REQUIRE(found);
    CHECK(found->path() == path);
  }
  const std::vector<std::string> refused{
      "",         "ipv4",      "/ipv4/x", "ipv4/", "ipv4//x",         "ipv4/..",     "ipv4/../../x",
      "ipv4/./x", "../ipv4/x", "ipv4/x/", "/",     "ipv4/conf/\0/x"s, "ipv4/conf//x"};
  for (const std::string& path : refused) {
    CAPTURE(path);
    CHECK_FALSE(Key::at(path));
  }
}

TEST_CASE("what stands in the place of an interface is known") {
  struct Row {
    std::string_view path;
    std::string_view interface;
  };
  const std::vector<Row> rows{
      {"ipv4/conf/eth0/rp_filter", "eth0"},
      {"ipv6/neigh/eth0.100/locktime", "eth0.100"},
      {"ipv4/conf/all/rp_filter", "all"},
      {"ipv4/conf/default/rp_filter", "default"},
      {"ipv4/conf/conf/rp_filter", "conf"},
      {"ipv4/conf/eth0/100/rp_filter", "eth0"},
      {"mpls/conf/eth0/input", "eth0"},
      {"ipv4/conf/eth0", ""},
      {"ipv4/ip_forward", ""},
      {"netfilter/nf_log/2", ""},
      {"conf/eth0/rp_filter", ""},
      {"a/b/conf/eth0/x", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    const auto found = Key::at(row.path);
    REQUIRE(found);
    CHECK(found->interface() == row.interface);
  }
}

TEST_CASE("whatever the text, an accepted key is a relative path below net and reads back as itself") {
  std::mt19937 random(7);  // NOLINT(bugprone-random-generator-seed): the same keys in every run
  const std::vector<std::string> parts{".", "/", "..", "net", "ipv4", "conf", "x", "-", "\n", "*", ".", "/", "all"};
  int accepted = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string text = i % 2 == 0 ? "net." : "net/";
    for (std::size_t j = 1 + random() % 7; j > 0; --j) text += parts[random() % parts.size()];
    auto parsed = Key::parse(text);
    const Key* taken = std::get_if<Key>(&parsed);
    if (taken == nullptr) continue;
    ++accepted;
    const std::string inside = "/" + taken->path() + "/";
    const bool leaves = inside.find("/../") != std::string::npos || inside.find("/./") != std::string::npos ||
                        inside.find("//") != std::string::npos;
    if (leaves || !(key(taken->name()) == *taken)) FAIL("accepted " << text << " as " << taken->path());
  }
  CHECK(accepted > 1000);
}

TEST_CASE("keys are written all, default, interface, so that a write does not undo a later one") {
  CHECK(key("net.ipv4.ip_forward").write_rank() == WriteRank::plain);
  CHECK(key("net.ipv4.conf.all.forwarding").write_rank() == WriteRank::conf_all);
  CHECK(key("net.ipv6.conf.default.forwarding").write_rank() == WriteRank::conf_default);
  CHECK(key("net.ipv6.conf.eth0.forwarding").write_rank() == WriteRank::conf_interface);
  CHECK(key("net.ipv4.neigh.default.gc_thresh1").write_rank() == WriteRank::conf_default);
  CHECK(WriteRank::plain < WriteRank::conf_all);
  CHECK(WriteRank::conf_all < WriteRank::conf_default);
  CHECK(WriteRank::conf_default < WriteRank::conf_interface);
}

TEST_CASE("a key knows whether it comes and goes with an interface") {
  const std::vector<std::string_view> of_interface{"net.ipv4.conf.eth0.rp_filter", "net.ipv6.conf.eth0/100.forwarding",
                                                   "net.ipv4.neigh.lo.retrans_time_ms", "net.ipv4.conf.allx.rp_filter",
                                                   "net.mpls.conf.eth0.input"};
  const std::vector<std::string_view> of_none{
      "net.ipv4.conf.all.rp_filter", "net.ipv6.conf.default.forwarding", "net.ipv4.neigh.default.gc_thresh1",
      "net.ipv4.ip_forward",         "net.netfilter.nf_log.2",           "net.core.somaxconn"};
  for (const auto text : of_interface) CHECK(key(text).names_interface());
  for (const auto text : of_none) CHECK_FALSE(key(text).names_interface());
}

TEST_CASE("secrets and families that must be entered are known by their keys") {
  CHECK(key("net.ipv4.tcp_fastopen_key").is_secret());
  CHECK(key("net.ipv6.conf.eth0.stable_secret").is_secret());
  CHECK(key("net.ipv6.conf.default.stable_secret").is_secret());
  CHECK_FALSE(key("net.ipv4.tcp_fastopen").is_secret());
  CHECK_FALSE(key("net.ipv4.conf.stable_secret.rp_filter").is_secret());
  CHECK(key("net.sctp.rto_min").needs_entering());
  CHECK(key("net.mptcp.enabled").needs_entering());
  CHECK(key("net.rds.tcp.rds_tcp_rcvbuf").needs_entering());
  CHECK_FALSE(key("net.ipv4.conf.sctp.rp_filter").needs_entering());
}

TEST_CASE("a key knows whether its write waits for RTNL") {
  for (const auto text :
       {"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv4.conf.eth0/100.forwarding",
        "net.ipv6.conf.all.forwarding", "net.ipv6.conf.default.disable_ipv6", "net.ipv6.conf.eth0.disable_ipv6",
        "net.ipv6.conf.eth0.disable_policy", "net.ipv6.conf.eth0.addr_gen_mode", "net.ipv6.conf.eth0.force_forwarding",
        "net.ipv6.conf.eth0.ignore_routes_with_linkdown", "net.ipv6.conf.eth0.proxy_ndp", "net.ipv6.conf.default.stable_secret",
        "net.mpls.platform_labels"}) {
    CAPTURE(text);
    CHECK(key(text).waits_for_rtnl());
  }
  for (const auto text :
       {"net.ipv4.tcp_keepalive_time", "net.ipv4.ip_forward_use_pmtu", "net.ipv4.conf.forwarding.rp_filter",
        "net.ipv4.conf.all.mc_forwarding", "net.ipv4.conf.all.bc_forwarding", "net.ipv4.conf.all.disable_policy",
        "net.ipv4.conf.all.ignore_routes_with_linkdown", "net.ipv6.conf.all.accept_ra", "net.ipv6.forwarding",
        "net.ipv6.neigh.default.proxy_ndp", "net.netfilter.nf_conntrack_tcp_loose"}) {
    CAPTURE(text);
    CHECK_FALSE(key(text).waits_for_rtnl());
  }
}
