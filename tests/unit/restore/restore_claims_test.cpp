// SPDX-License-Identifier: Apache-2.0
// Conditions under which an entry of the book is due, given the current policies.
#include "restore/restore_book.hpp"

#include <memory>
#include <string>
#include <vector>

#include "catch.hpp"

namespace nswarden {
namespace {

struct Sketch {
  std::string name;
  std::string key;
  bool restore = false;
  Mode mode = Mode::enforce;
};

std::unique_ptr<PolicySet> policies(const std::vector<Sketch>& sketches,
                                    PolicySet::Audit audit = PolicySet::Audit::as_configured) {
  Config config;
  for (const Sketch& sketch : sketches) {
    PolicyConfig policy;
    policy.name = sketch.name;
    policy.netns.push_back(std::get<Pattern>(Pattern::compile("^r")));
    policy.mode = sketch.mode;
    policy.restore = sketch.restore;
    policy.sysctls.push_back({std::get<KeyPattern>(KeyPattern::parse(sketch.key)), Want::equal("1"), {}});
    config.policies.push_back(std::move(policy));
  }
  return std::make_unique<PolicySet>(config, audit);
}

Resolution resolution(const PolicySet& set, const std::string& netns, const std::vector<Key>& found = {}) {
  const NetnsName name{netns, NameKind::entry};
  return set.resolve(set.plan(set.match({&name, 1})), found);
}

}  // namespace

TEST_CASE(
    "an entry is due when no policy wants its key any more, kept while one restores, and dropped when another takes over") {
  enum class Expected { due, kept, dropped };
  struct Row {
    std::string description;
    std::vector<Sketch> policies;
    Expected expected;
  };
  const std::string forward = "net.ipv4.ip_forward";
  const std::vector<Row> rows{
      {"no policy at all", {}, Expected::due},
      {"a policy of another key", {{"a", "net.ipv4.tcp_keepalive_time", true}}, Expected::due},
      {"the policy as it was", {{"a", forward, true}}, Expected::kept},
      {"another policy that restores", {{"b", forward, true}}, Expected::kept},
      {"it restores and only audits", {{"a", forward, true, Mode::audit}}, Expected::kept},
      {"it does not restore any more", {{"a", forward, false}}, Expected::dropped},
      {"a later policy takes it over", {{"a", forward, true}, {"b", forward, false}}, Expected::dropped},
      {"a later policy restores it", {{"a", forward, false}, {"b", forward, true}}, Expected::kept},
      {"only a policy that audits looks at it", {{"a", forward, false, Mode::audit}}, Expected::due},
  };
  for (const Row& row : rows) {
    CAPTURE(row.description);
    RestoreBook book;
    const Key key = Key::at("ipv4/ip_forward").value();
    book.note(5, {key, "a", "0", "1"});
    const auto set = policies(row.policies);
    const Resolution wanted = resolution(*set, "r1");
    const auto due = book.due(5, Claims(wanted, *set));
    CHECK(due.size() == (row.expected == Expected::due ? 1 : 0));
    CHECK((book.find(5, key) == nullptr) == (row.expected == Expected::dropped));
    CHECK(book.due(6, Claims(wanted, *set)).empty());
  }
}

TEST_CASE("an entry is due in a netns that the policy does not match") {
  RestoreBook book;
  book.note(5, {Key::at("ipv4/ip_forward").value(), "a", "0", "1"});
  const auto set = policies({{"a", "net.ipv4.ip_forward", true}});
  const Resolution wanted = resolution(*set, "other");
  CHECK(book.due(5, Claims(wanted, *set)).size() == 1);
}

TEST_CASE("a glob keeps the entries of the keys that it stands for at present") {
  RestoreBook book;
  const Key here = Key::at("ipv4/conf/eth0/rp_filter").value();
  const Key renamed = Key::at("ipv4/conf/eth1/rp_filter").value();
  book.note(5, {here, "a", "2", "1"});
  book.note(5, {renamed, "a", "2", "1"});
  const auto set = policies({{"a", "net.ipv4.conf.*.rp_filter", true}});
  const Resolution wanted = resolution(*set, "r1", {here});
  const auto due = book.due(5, Claims(wanted, *set));
  REQUIRE(due.size() == 1);
  CHECK(due[0].key == renamed);
}

}  // namespace nswarden
