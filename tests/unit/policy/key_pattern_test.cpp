// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/key_pattern.hpp>

#include <vector>

#include "catch.hpp"

using namespace nswarden;

namespace {

KeyPattern pattern(std::string_view text) {
  auto parsed = KeyPattern::parse(text);
  const auto* problem = std::get_if<Problem>(&parsed);
  INFO(text << ": " << (problem == nullptr ? "" : problem->message));
  REQUIRE(problem == nullptr);
  return std::get<KeyPattern>(std::move(parsed));
}

std::string refusal(std::string_view text) {
  auto parsed = KeyPattern::parse(text);
  const auto* problem = std::get_if<Problem>(&parsed);
  return problem == nullptr ? "" : problem->message;
}

Key key_at(std::string_view path) {
  auto key = Key::at(path);
  REQUIRE(key);
  return *std::move(key);
}

}  // namespace

TEST_CASE("a glob takes a whole component") {
  struct Row {
    std::string_view glob;
    std::string_view name;
    bool takes;
  };
  const std::vector<Row> rows{
      {"*", "", true},
      {"*", "eth0", true},
      {"*", ".hidden", true},
      {"?", "", false},
      {"?", "a", true},
      {"?", "ab", false},
      {"eth?", "eth0", true},
      {"eth?", "eth", false},
      {"eth*", "eth", true},
      {"eth*", "xeth0", false},
      {"*0", "eth0", true},
      {"*0", "eth01", false},
      {"*a*b*", "xxaxxb", true},
      {"*a*b*", "xxbxxa", false},
      {"a*a", "a", false},
      {"a*a", "aa", true},
      {"**", "x", true},
      {"", "", true},
      {"", "x", false},
      {"eth0.*", "eth0.100", true},
      {"[ab]", "a", true},
      {"[ab]", "c", false},
      {"[a-c]", "b", true},
      {"[a-c]", "d", false},
      {"[!a-c]", "d", true},
      {"[!a-c]", "b", false},
      {"[^a]", "b", true},
      {"[^a]", "a", false},
      {"[]]", "]", true},
      {"[!]]", "]", false},
      {"[!]]", "x", true},
      {"[a-]", "-", true},
      {"[-a]", "-", true},
      {"[[]", "[", true},
      {"[*]", "*", true},
      {"[*]", "x", false},
      {"[?]", "?", true},
      {"eth[0-9]*", "eth10", true},
      {"eth[0-9]", "etha", false},
      {"*[0-9]", "a1b2", true},
      {"*[!0-9]", "a1b2", false},
      {"\xff?", "\xff\x80", true},
      {"[\x80-\xff]", "\xe4", true},
      {"[a", "[a", true},
      {"a\"b", "a\"b", true},
      {"$(*)", "$(id)", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.glob, row.name);
    CHECK(matches_glob(row.glob, row.name) == row.takes);
  }
}

TEST_CASE("a glob of many stars does not take for ever") {
  std::string stars;
  for (int i = 0; i < 80; ++i) stars += "*a";
  CHECK_FALSE(matches_glob(stars + "b", std::string(255, 'a')));
  CHECK(matches_glob(stars, std::string(255, 'a')));
}

TEST_CASE("a key without globs is one key, a key with globs stands for those that it takes") {
  struct Row {
    std::string_view text;
    std::string_view path;  ///< of a key
    bool matches;
  };
  const std::vector<Row> rows{
      {"net.ipv4.ip_forward", "ipv4/ip_forward", true},
      {"net.ipv4.ip_forward", "ipv4/ip_forward_use_pmtu", false},
      {"net.ipv4.tcp_?mem", "ipv4/tcp_rmem", true},
      {"net.ipv4.tcp_*", "ipv4/tcp_mem", true},
      {"net.ipv4.*", "ipv4/conf/eth0/rp_filter", false},  // globs do not match separators
      {"net.ipv4.conf.*", "ipv4/conf/eth0/rp_filter", false},
      {"net.ipv4.conf.*.rp_filter", "ipv4/conf/eth0/rp_filter", true},
      {"net.ipv4.conf.*.rp_filter", "ipv4/conf/eth0.100/rp_filter", true},
      {"net.ipv4.conf.*.rp_filter", "ipv6/conf/eth0/rp_filter", false},
      {"net.ipv4.conf.*.*_filter", "ipv4/conf/eth0/arp_filter", true},
      {"net.ipv4.conf.eth0/*.rp_filter", "ipv4/conf/eth0.100/rp_filter", true},
      {"net.ipv4.conf.eth0/*.rp_filter", "ipv4/conf/eth0/rp_filter", false},
      {"net/ipv4/conf/eth0.*/rp_filter", "ipv4/conf/eth0.100/rp_filter", true},
      {"net.ipv4.conf.q[rg]-*.rp_filter", "ipv4/conf/qg-1/rp_filter", true},
      {"net.ipv4.conf.q[rg]-*.rp_filter", "ipv4/conf/ha-1/rp_filter", false},
      // Hostile names are valid interface names.
      {"net.ipv4.conf.*.rp_filter", "ipv4/conf/a\"b/rp_filter", true},
      {"net.ipv4.conf.*.rp_filter", "ipv4/conf/$(id)/rp_filter", true},
      {"net.ipv4.conf.*.rp_filter", "ipv4/conf/*/rp_filter", true},
      {"net.ipv4.conf.*.rp_filter", "ipv4/conf/\xff\xfe/rp_filter", true},
      {"net.ipv4.conf.[*].rp_filter", "ipv4/conf/*/rp_filter", true},
      {"net.ipv4.conf.[*].rp_filter", "ipv4/conf/eth0/rp_filter", false},
      {"net.ipv4.conf.a\"b.rp_filter", "ipv4/conf/a\"b/rp_filter", true},
      {"net.ipv4.conf.$(id).rp_filter", "ipv4/conf/$(id)/rp_filter", true},
      // A glob in an interface's place never matches `all` or `default`.
      {"net.ipv4.conf.*.rp_filter", "ipv4/conf/all/rp_filter", false},
      {"net.ipv4.conf.*.rp_filter", "ipv4/conf/default/rp_filter", false},
      {"net.ipv4.conf.a?l.rp_filter", "ipv4/conf/all/rp_filter", false},
      {"net.ipv4.conf.[a]ll.rp_filter", "ipv4/conf/all/rp_filter", false},
      {"net.ipv4.conf.*.rp_filter", "ipv4/conf/allx/rp_filter", true},
      {"net.ipv4.*.*.rp_filter", "ipv4/conf/all/rp_filter", false},
      {"net.ipv4.*.*.rp_filter", "ipv4/conf/eth0/rp_filter", true},
      {"net.ipv4.neigh.*.gc_thresh1", "ipv4/neigh/default/gc_thresh1", false},
      {"net.ipv4.conf.all.*_filter", "ipv4/conf/all/rp_filter", true},
      {"net.ipv4.conf.all.*", "ipv4/conf/default/rp_filter", false},
      {"net.ipv4.conf.all.*", "ipv4/conf/all/all", true},
      {"net.ipv4.*.all", "ipv4/x/all", true},  // not an interface's place
  };
  for (const Row& row : rows) {
    CAPTURE(row.text, row.path);
    CHECK(pattern(row.text).matches(key_at(row.path)) == row.matches);
  }
}

TEST_CASE("a pattern keeps the two spellings of keys") {
  CHECK(pattern("net.ipv4.conf.eth0/*.rp_filter").path() == "ipv4/conf/eth0.*/rp_filter");
  CHECK(pattern("net/ipv4/conf/eth0.*/rp_filter").name() == "net.ipv4.conf.eth0/*.rp_filter");
  CHECK(pattern("net.ipv4.conf.eth0/*.rp_filter") == pattern("net/ipv4/conf/eth0.*/rp_filter"));
  REQUIRE(pattern("net.ipv4.ip_forward").exact() != nullptr);
  CHECK(pattern("net.ipv4.ip_forward").exact()->path() == "ipv4/ip_forward");
  CHECK(pattern("net.ipv4.ip_f*").exact() == nullptr);
}

TEST_CASE("a pattern that cannot be meant is refused with its reason") {
  struct Row {
    std::string_view text;
    std::string_view reason;  ///< substring of the reason
  };
  const std::vector<Row> rows{
      {"", "empty"},
      {"*", "below net"},
      {"*.ipv4.ip_forward", "below net"},
      {"kernel.*", "below net"},
      {"net.*", "directory"},
      {"net.*.ip_forward", "first two components"},
      {"net.ipv?.ip_forward", "first two components"},
      {"net.ipv[46].conf.all.forwarding", "first two components"},
      {"net/ipv4/*/../../kernel/core_pattern", "'..'"},
      {"net.ipv4..*", "empty component"},
      {"net.ipv4.*.", "empty component"},
      {"net.ipv4.conf.* .rp_filter", "white space"},
      {"-net.ipv4.conf.*.rp_filter", "leading '-'"},
      {"/net/ipv4/*", "separator"},
      {"net.ipv4.conf.[ab.rp_filter", "not closed"},
      {"net.ipv4.conf.[].rp_filter", "not closed"},
      {"net.ipv4.conf.[!].rp_filter", "not closed"},
      {"net/ipv4/conf/[a/b]/rp_filter", "not closed"},
      {"net.ipv4.conf.[[:alpha:]]*.rp_filter", "character classes"},
      {"net.ipv4.conf.eth[9-0].rp_filter", "reversed"},
      {"net.ipv4.conf.\\*.rp_filter", "backslash"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(refusal(row.text).find(row.reason) != std::string::npos);
  }
  CHECK(refusal("net.ipv4.conf.[[].rp_filter").empty());
  CHECK(refusal("net.ipv4.conf.[]].rp_filter").empty());
  CHECK(refusal("net.ipv4.conf.a\\b.rp_filter").empty());  // not a glob, so there is nothing to quote
}

TEST_CASE("a pattern knows whether it stands for keys of interfaces") {
  for (const auto text : {"net.ipv4.conf.*.rp_filter", "net.ipv4.conf.eth0.rp_filter", "net.ipv4.neigh.eth?.locktime",
                          "net.ipv4.conf.al*.rp_filter", "net.ipv4.*.*.rp_filter", "net.ipv4.*.eth0.forwarding"}) {
    CAPTURE(text);
    CHECK(pattern(text).names_interface());
  }
  for (const auto text : {"net.ipv4.conf.all.*", "net.ipv4.conf.default.rp_filter", "net.ipv4.tcp_*",
                          "net.ipv4.*.all.forwarding", "net.netfilter.nf_log.*", "net.ipv4.conf.*"}) {
    CAPTURE(text);
    CHECK_FALSE(pattern(text).names_interface());
  }
}

TEST_CASE("a pattern knows whether a glob stands for interfaces") {
  for (const auto text : {"net.ipv4.conf.*.rp_filter", "net.ipv4.neigh.eth?.locktime", "net.ipv4.*.q[rg]*.rp_filter"}) {
    CAPTURE(text);
    CHECK(pattern(text).globs_interfaces());
  }
  for (const auto text : {"net.ipv4.conf.eth0.rp_filter", "net.ipv4.conf.all.*", "net.ipv4.conf.eth0.*", "net.ipv4.tcp_*"}) {
    CAPTURE(text);
    CHECK_FALSE(pattern(text).globs_interfaces());
  }
  CHECK_FALSE(KeyPattern(key_at("ipv4/conf/*/rp_filter")).globs_interfaces());
}

TEST_CASE("the key of an interface called like a glob is not that glob") {
  const KeyPattern key(key_at("ipv4/conf/*/rp_filter"));
  const KeyPattern glob = pattern("net.ipv4.conf.*.rp_filter");
  CHECK_FALSE(key == glob);
  CHECK((key < glob) != (glob < key));
  CHECK(key.matches(key_at("ipv4/conf/*/rp_filter")));
  CHECK_FALSE(key.matches(key_at("ipv4/conf/eth0/rp_filter")));
}
