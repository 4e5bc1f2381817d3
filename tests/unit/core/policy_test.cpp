// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/policy.hpp>

#include "catch.hpp"
#include "reconciler_fixture.hpp"

using namespace nswarden;
using namespace nswarden::test;

namespace {
std::vector<core::PolicyIndex> match(const core::PolicySet& set, std::string_view name) {
  return set.match(std::vector<std::string_view>{name});
}
using Indexes = std::vector<core::PolicyIndex>;
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
  CHECK_FALSE(core::pattern_problem("^qrouter-[0-9a-f]+$").has_value());
  CHECK(core::pattern_problem("^(?!snat)").value().find("look-around") != std::string::npos);
  CHECK(core::pattern_problem("(a)\\1").value().find("back-references") != std::string::npos);
  // U+202E would turn the message around.
  CHECK(core::pattern_problem("(\u202E").value().find("(\\xe2\\x80\\xae") != std::string::npos);
  CHECK(core::pattern_problem("(").value().find("not a valid RE2 pattern") != std::string::npos);
  CHECK(core::pattern_problem("").value().find(".*") != std::string::npos);
}

TEST_CASE("the later policy owns a key that both name, and a difference is a conflict") {
  const auto set = policies({{"a", ".*", {{liberal, "0"}, {loose, "1"}}},
                             {"b", ".*", {{liberal, "1"}, {loose, "1"}}},
                             {"c", ".*", {{loose, "1"}}, core::Mode::audit}});
  const core::Plan plan = set->plan(match(*set, "x"));
  REQUIRE(plan.settings.size() == 2);
  CHECK(plan.settings[0].policy == 1);
  CHECK(plan.settings[0].want == "1");
  CHECK(plan.settings[1].policy == 2);
  CHECK(plan.settings[1].mode == core::Mode::audit);
  REQUIRE(plan.overridden.size() == 3);
  for (const core::Overridden& lost : plan.overridden) {
    CHECK(lost.conflict);
    CHECK(lost.winner == (lost.key == plan.settings[0].key ? 1U : 2U));
  }
}

TEST_CASE("the same value in the same mode twice is no conflict") {
  const auto set = policies({{"a", ".*", {{liberal, "1"}}}, {"b", ".*", {{liberal, "1"}}}});
  const core::Plan plan = set->plan(match(*set, "x"));
  REQUIRE(plan.overridden.size() == 1);
  CHECK_FALSE(plan.overridden[0].conflict);
}

TEST_CASE("--audit makes every policy an audit") {
  core::Config config;
  config.policies.push_back({"a", ".*", core::Mode::enforce, {}, {}});
  const core::PolicySet set(config, core::PolicySet::Audit::everything);
  CHECK(set.policies()[0].mode == core::Mode::audit);
}
