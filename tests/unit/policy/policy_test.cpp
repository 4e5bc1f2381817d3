// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/policy.hpp>

#include "catch.hpp"
#include "reconciler_fixture.hpp"

using namespace nswarden;
using namespace nswarden::test;

namespace {

std::vector<PolicyIndex> match(const PolicySet& set, std::string_view name, NameKind kind = NameKind::entry) {
  return set.match(std::vector<NetnsName>{{name, kind}});
}
using Indexes = std::vector<PolicyIndex>;

std::string problem_of(const std::string& pattern) {
  const auto compiled = Pattern::compile(pattern);
  const auto* problem = std::get_if<Problem>(&compiled);
  return problem == nullptr ? std::string() : problem->message;
}

Resolution resolve(const PolicySet& set, const std::vector<std::string>& found = {}, std::string_view name = "x") {
  std::vector<Key> keys;
  for (const std::string& path : found) keys.push_back(*Key::at(path));
  return set.resolve(set.plan(match(set, name)), keys);
}

/// "key=want by policy" of each setting, in write order.
std::vector<std::string> resolution_lines(const PolicySet& set, const Resolution& resolution) {
  std::vector<std::string> all;
  for (const PlannedSetting& planned : resolution.settings) {
    all.push_back(planned.key.path() + "=" + planned.setting->want.text() + " by " + set.policies()[planned.policy].name);
  }
  return all;
}

Setting wanting(const std::string& key, Want want) { return {key_pattern(key), std::move(want), {1, 1}}; }
}  // namespace

TEST_CASE("a pattern matches at the start of the name") {
  const auto set =
      policies({{"a", "qrouter", {{liberal, "1"}}}, {"b", "^snat-", {{liberal, "1"}}}, {"c", ".*", {{loose, "1"}}}});
  CHECK(match(*set, "qrouter-x") == Indexes{0, 2});
  CHECK(match(*set, "x-qrouter") == Indexes{2});
  CHECK(match(*set, "snat-1") == Indexes{1, 2});
}

TEST_CASE("names are bytes: none escapes a policy by a newline or by being no UTF-8") {
  const auto set = policies({{"all", ".*", {{liberal, "1"}}}, {"end", "^a.b$", {{loose, "1"}}}});
  CHECK(match(*set, std::string_view("\xff\xfe")) == Indexes{0});
  CHECK(match(*set, "a\nb") == Indexes{0, 1});
  CHECK(match(*set, "a\xffz") == Indexes{0});
  CHECK(match(*set,
              "a\xff"
              "b") == Indexes{0, 1});
}

TEST_CASE("a pattern that RE2 lacks is refused with the remedy") {
  CHECK(problem_of("^qrouter-[0-9a-f]+$").empty());
  CHECK(problem_of("^(?!snat)").find("exclude:") != std::string::npos);
  CHECK(problem_of("(a)\\1").find("back-references") != std::string::npos);
  // U+202E would reverse the message on a terminal.
  CHECK(problem_of("(\u202E").find("(\\xe2\\x80\\xae") != std::string::npos);
  CHECK(problem_of("(").find("not a valid RE2 pattern") != std::string::npos);
  CHECK(problem_of("").find(".*") != std::string::npos);
}

TEST_CASE("one pattern of several is enough, and an excluded name is not governed, whatever other names it has") {
  const auto set = policies({{"a", "^q", {{liberal, "1"}}, Mode::enforce, [](PolicyConfig& policy) {
                                policy.netns.push_back(pattern("^snat-"));
                                policy.exclude.push_back(pattern("^qdhcp-"));
                              }}});
  CHECK(match(*set, "qrouter-1") == Indexes{0});
  CHECK(match(*set, "snat-1") == Indexes{0});
  CHECK(match(*set, "qdhcp-1").empty());
  CHECK(set->match(std::vector<NetnsName>{{"qrouter-1"}, {"qdhcp-1"}}).empty());
}

TEST_CASE("the host is governed by policies that name it, and by no pattern, even under other names") {
  const auto set =
      policies({{"all", ".*", {{liberal, "1"}}},
                {"host", "^qrouter-", {{loose, "1"}}, Mode::enforce, [](PolicyConfig& policy) { policy.host = true; }}});
  CHECK(match(*set, "host", NameKind::host) == Indexes{1});
  CHECK(set->match(std::vector<NetnsName>{{"qrouter-1"}, {"host", NameKind::host}}) == Indexes{1});
  CHECK(match(*set, "host") == Indexes{0});
  CHECK(set->wants(NameKind::host));
  CHECK_FALSE(set->wants(NameKind::process));
}

TEST_CASE("a netns without a name is for policies that discover processes; with a name that alone counts") {
  const auto set =
      policies({{"all", ".*", {{liberal, "1"}}},
                {"anonymous", "^net:", {{loose, "1"}}, Mode::enforce, [](PolicyConfig& policy) { policy.processes = true; }}});
  CHECK(match(*set, "net:[4026532288]", NameKind::process) == Indexes{1});
  CHECK(set->match(std::vector<NetnsName>{{"pod"}, {"net:[4026532288]", NameKind::process}}) == Indexes{0});
}

TEST_CASE("the later policy owns a key that both name, and a difference is a conflict") {
  const auto set = policies({{"a", ".*", {{liberal, "0"}, {loose, "1"}}},
                             {"b", ".*", {{liberal, "1"}, {loose, "1"}}},
                             {"c", ".*", {{loose, "1"}}, Mode::audit}});
  const Resolution plan = resolve(*set);
  REQUIRE(plan.settings.size() == 2);
  CHECK(plan.settings[0].policy == 1);
  CHECK(plan.settings[0].setting->want.text() == "1");
  CHECK(plan.settings[1].policy == 2);
  CHECK(plan.settings[1].mode == Mode::audit);
  REQUIRE(plan.overridden.size() == 3);
  for (const Overridden& lost : plan.overridden) {
    CHECK(lost.conflict);
    CHECK(lost.winner == (lost.key == plan.settings[0].key ? 1U : 2U));
  }
}

TEST_CASE("the same value in the same mode twice is no conflict") {
  const auto set = policies({{"a", ".*", {{liberal, "1"}}}, {"b", ".*", {{liberal, "1"}}}});
  const Resolution plan = resolve(*set);
  REQUIRE(plan.overridden.size() == 1);
  CHECK_FALSE(plan.overridden[0].conflict);
}

const std::vector<std::string> interfaces{"ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter",
                                          "ipv4/conf/eth0.100/rp_filter", "ipv4/conf/ha-1/rp_filter",
                                          "ipv4/conf/qr-1/rp_filter"};

TEST_CASE("a glob stands for interfaces, and all and default are meant only by name") {
  const auto set = policies(
      {{"a",
        ".*",
        {{"net.ipv4.conf.*.rp_filter", "2"}, {"net.ipv4.conf.default.rp_filter", "1"}, {"net.ipv4.conf.all.rp_filter", "0"}}}});
  CHECK(resolution_lines(*set, resolve(*set, interfaces)) ==
        std::vector<std::string>{"ipv4/conf/all/rp_filter=0 by a", "ipv4/conf/default/rp_filter=1 by a",
                                 "ipv4/conf/eth0.100/rp_filter=2 by a", "ipv4/conf/ha-1/rp_filter=2 by a",
                                 "ipv4/conf/qr-1/rp_filter=2 by a"});
  CHECK(set->plan(match(*set, "x")).globs.size() == 1);
  CHECK(set->names_interfaces());
}

TEST_CASE("an exact key beats a glob, in whatever order and policy") {
  const auto check = [](const std::vector<PolicySketch>& sketches) {
    const auto set = policies(sketches);
    const Resolution resolution = resolve(*set, {"ipv4/conf/qr-1/rp_filter"});
    REQUIRE(resolution.settings.size() == 1);
    CHECK(resolution.settings[0].setting->want.text() == "1");
    return resolution.overridden;
  };
  const std::pair<std::string, std::string> glob{"net.ipv4.conf.*.rp_filter", "2"};
  const std::pair<std::string, std::string> exact{"net.ipv4.conf.qr-1.rp_filter", "1"};
  CHECK(check({{"a", ".*", {glob, exact}}}).empty());
  CHECK(check({{"a", ".*", {exact, glob}}}).empty());
  const auto lost = check({{"a", ".*", {exact}}, {"b", ".*", {glob}}});
  REQUIRE(lost.size() == 1);
  CHECK(lost[0].loser == 1);
  CHECK(lost[0].conflict);
}

TEST_CASE("exclusions and selectors of interfaces narrow the globs of their policy alone") {
  const auto set = policies({{"a", ".*", {{"net.ipv4.conf.*.rp_filter", "2"}}, Mode::enforce, [](PolicyConfig& policy) {
                                policy.interfaces = {pattern("^qr-"), pattern("^ha-")};
                                policy.exclusions = {key_pattern("net.ipv4.conf.ha-1.rp_filter")};
                              }}});
  CHECK(resolution_lines(*set, resolve(*set, interfaces)) == std::vector<std::string>{"ipv4/conf/qr-1/rp_filter=2 by a"});
  const auto wider = policies({{"a",
                                ".*",
                                {{"net.ipv4.conf.*.rp_filter", "2"}},
                                Mode::enforce,
                                [](PolicyConfig& policy) { policy.interfaces = {pattern("^qr-")}; }},
                               {"b", ".*", {{"net.ipv4.conf.*.rp_filter", "1"}}}});
  CHECK(resolution_lines(*wider, resolve(*wider, {"ipv4/conf/eth0/rp_filter", "ipv4/conf/qr-1/rp_filter"})) ==
        std::vector<std::string>{"ipv4/conf/eth0/rp_filter=1 by b", "ipv4/conf/qr-1/rp_filter=1 by b"});
}

TEST_CASE("a condition without a value to set is audited, and a setting may have a mode of its own") {
  const auto set = policies({{"a", ".*", {}, Mode::enforce, [](PolicyConfig& policy) {
                                using Kind = Want::Kind;
                                const auto at_least = [](std::optional<std::string> written) {
                                  return std::get<Want>(Want::condition(Kind::min, {"5"}, std::move(written), {}));
                                };
                                policy.sysctls = {wanting("net.ipv4.a", at_least(std::nullopt)),
                                                  wanting("net.ipv4.b", at_least("7")), setting("net.ipv4.c", "1")};
                                policy.sysctls[2].mode = Mode::audit;
                              }}});
  const Resolution resolution = resolve(*set);
  REQUIRE(resolution.settings.size() == 3);
  CHECK(resolution.settings[0].mode == Mode::audit);
  CHECK(resolution.settings[1].mode == Mode::enforce);
  CHECK(resolution.settings[2].mode == Mode::audit);
}

TEST_CASE("what is observed is no setting, and is there once") {
  const auto observe = [](PolicyConfig& policy) {
    policy.observe = {{key_pattern("net.netfilter.nf_conntrack_count"), {}}, {key_pattern("net.ipv4.conf.*.rp_filter"), {}}};
  };
  const auto set = policies(
      {{"a", ".*", {{"net.ipv4.conf.qr-1.rp_filter", "1"}}, Mode::enforce, observe}, {"b", ".*", {}, Mode::enforce, observe}});
  const Resolution resolution = resolve(*set, {"ipv4/conf/qr-1/rp_filter"});
  CHECK(resolution.settings.size() == 1);
  REQUIRE(resolution.observed.size() == 2);
  CHECK(set->observes());
}

TEST_CASE("--audit makes every policy and every setting an audit") {
  Config config;
  PolicyConfig policy;
  policy.name = "a";
  policy.netns = {pattern(".*")};
  policy.sysctls = {setting("net.ipv4.c", "1")};
  policy.sysctls[0].mode = Mode::enforce;
  config.policies.push_back(std::move(policy));
  const PolicySet set(config, PolicySet::Audit::everything);
  CHECK(set.policies()[0].mode == Mode::audit);
  CHECK(resolve(set).settings[0].mode == Mode::audit);
}
