// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/render.hpp>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "policy_words.hpp"

using namespace nswarden;

namespace {

CheckReport report_of_each_state() {
  CheckReport report;
  report.totals.netns = 1;
  report.totals.settings = 4;
  report.totals.compliant = 1;
  report.totals.drifted = 1;
  report.totals.missing = 1;
  report.totals.unreadable = 1;
  report.findings = {
      {"qrouter-1", "p", "net.a.b", "1", "0", State::drifted, Reason::value, 0},
      {"a\nb", "p", "net.a.c", "1", "", State::missing, Reason::missing, 0},
      {"qrouter-1", "p", "net.a.d", "1", "", State::unreadable, Reason::unreadable, EIO},
  };
  return report;
}

}  // namespace

TEST_CASE("a table lists findings in columns and ends with totals that add up") {
  CHECK(check_table(report_of_each_state(), Colour::never) ==
        "NETNS      KEY      WANT  HAVE  STATE                            POLICY\n"
        "qrouter-1  net.a.b  1     0     drifted                          p\n"
        "a\\x0ab     net.a.c  1     -     missing                          p\n"
        "qrouter-1  net.a.d  1     -     unreadable (Input/output error)  p\n"
        "1 netns, 4 settings: 1 compliant, 1 drifted, 1 missing, 1 unreadable\n");
}

TEST_CASE("a drifted setting says where repairs do not help") {
  for (const Reason reason : {Reason::clamped, Reason::suspended}) {
    CheckReport report;
    report.findings = {{"q-1", "p", "net.a.b", "1", "0", State::drifted, reason, 0}};
    const std::string expected = "  drifted (" + std::string(to_string(reason)) + ")  p\n";
    CHECK(check_table(report, Colour::never).find(expected) != std::string::npos);
    CHECK(nlohmann::json::parse(check_json(report))["findings"][0]["reason"] == to_string(reason));
  }
}

TEST_CASE("nothing to list leaves only the totals") {
  CHECK(check_table({}, Colour::never) == "0 netns, 0 settings: 0 compliant, 0 drifted, 0 missing, 0 unreadable\n");
}

TEST_CASE("colour is only around states and does not move columns") {
  const std::string plain = check_table(report_of_each_state(), Colour::never);
  std::string coloured = check_table(report_of_each_state(), Colour::always);
  CHECK(coloured != plain);
  for (const std::string code : {"\x1b[31m", "\x1b[32m", "\x1b[0m"}) {
    for (std::size_t at = coloured.find(code); at != std::string::npos; at = coloured.find(code)) {
      coloured.erase(at, code.size());
    }
  }
  CHECK(coloured == plain);
}

TEST_CASE("the JSON report has the contract's form") {
  const auto json = nlohmann::json::parse(check_json(report_of_each_state()));
  CHECK(json["schema"] == 1);
  CHECK(json["compliant"] == false);
  CHECK(json["totals"]["settings"] == 4);
  REQUIRE(json["findings"].size() == 3);
  CHECK(json["findings"][0]["have"] == "0");
  CHECK(json["findings"][0]["state"] == "drifted");
  CHECK(json["findings"][1]["netns"] == "a\\x0ab");
  CHECK(json["findings"][1]["have"].is_null());
  CHECK(json["findings"][2]["error"] == "Input/output error");
}

TEST_CASE("an explanation says which commands run, and with which capabilities") {
  Config config;
  config.files = {"f.yaml"};
  config.policies.push_back(test::policy("first", ".*", {}));
  config.policies.push_back(test::policy("second", "^q", {}));
  config.policies[0].commands.startup = {"a"};
  config.policies[1].commands = {CommandCapabilities::daemon, {}, {{"IN_CREATE", 0x100, {"b c"}}}};
  const PolicySet policies(config, PolicySet::Audit::as_configured);
  Explanation explanation{"qrouter-1", "f.yaml", &policies};
  explanation.matched = policies.match(std::vector<NetnsName>{{"qrouter-1"}});
  CHECK(explain_table(explanation) ==
        "qrouter-1 is matched by: first, second\n"
        "EVENT      COMMAND  CAPABILITIES  POLICY\n"
        "startup    a        none          first\n"
        "IN_CREATE  b c      daemon        second\n");
  const auto json = nlohmann::json::parse(explain_json(explanation));
  CHECK(json["commands"][0]["capabilities"] == "none");
  CHECK(json["commands"][1]["capabilities"] == "daemon");
}

TEST_CASE("an explanation says who owns a key, where, and whom it overrides") {
  Config config;
  config.files = {"f.yaml", "more.yaml"};
  config.policies.push_back(test::policy("first", ".*", {test::setting("net.ipv4.ip_forward", "0", {4, 7, 1})}));
  config.policies.push_back(test::policy("second", "^q", {test::setting("net.ipv4.ip_forward", "1", {8, 7, 0})}, Mode::audit));
  config.policies[1].sysctls[0].note = "why";
  const PolicySet policies(config, PolicySet::Audit::as_configured);
  Explanation explanation{"qrouter-1", "f.yaml", &policies};
  explanation.matched = policies.match(std::vector<NetnsName>{{"qrouter-1"}});
  explanation.resolution = policies.resolve(policies.plan(explanation.matched), {});
  explanation.open_globs = {"net.ipv4.conf.*.rp_filter"};
  SECTION("and nothing of what is there when the netns was not looked at") {
    CHECK(explain_table(explanation) ==
          "qrouter-1 is matched by: first, second\n"
          "KEY                  WANT  HAVE  STATE  MODE   POLICY  WHERE     OVERRIDES\n"
          "net.ipv4.ip_forward  1     -     -      audit  second  f.yaml:8  first (0, enforce, more.yaml:4)\n"
          "net.ipv4.ip_forward: why\n"
          "net.ipv4.conf.*.rp_filter: matches no key here\n");
    const auto json = nlohmann::json::parse(explain_json(explanation));
    CHECK(json["settings"][0]["overrides"][0]["conflict"] == true);
    CHECK(json["settings"][0]["overrides"][0]["file"] == "more.yaml");
    CHECK(json["settings"][0]["note"] == "why");
    CHECK_FALSE(json["settings"][0].contains("state"));
  }
  SECTION("with what is there") {
    explanation.findings = {{"qrouter-1", "second", "net.ipv4.ip_forward", "1", "0", State::drifted, Reason::value}};
    CHECK(explain_table(explanation).find("1     0     drifted  audit  second") != std::string::npos);
    const auto json = nlohmann::json::parse(explain_json(explanation));
    CHECK(json["settings"][0]["have"] == "0");
    CHECK(json["settings"][0]["state"] == "drifted");
  }
  explanation.matched.clear();
  CHECK(explain_table(explanation) == "no policy matches qrouter-1\n");
}
