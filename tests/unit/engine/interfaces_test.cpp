// SPDX-License-Identifier: Apache-2.0
// Settings that depend on the contents of a netns: globs, interfaces that appear and disappear, optional keys, exported values.
#include <nswarden/engine/reconciler.hpp>

#include <cerrno>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "reconciler_fixture.hpp"

using namespace nswarden;
using namespace nswarden::test;

namespace {

using Values = std::map<std::string, std::string>;
const std::string sentinel = "ipv4/tcp_keepalive_time";

std::string of(const std::string& interface) { return "ipv4/conf/" + interface + "/rp_filter"; }

std::shared_ptr<const PolicySet> filters(const std::string& want = "2") {
  return policies({{"filters", "^q", {{"net.ipv4.conf.*.rp_filter", want}}}});
}

struct Router : World {
  explicit Router(std::shared_ptr<const PolicySet> set, const Values& values = {{of("lo"), "0"}, {sentinel, "7200"}})
      : World(std::move(set)), netns(kernel.add("q1", values)) {
    reconciler.set_link_reports_complete(true);
    sweep();
  }
  void plug(const std::string& interface) { netns->keys[of(interface)].value = "0\n"; }
  std::vector<Report> on_links_changed() {
    reconciler.on_links_changed(netns->inode);
    settle();
    return reconciler.take_reports();
  }
  [[nodiscard]] std::string value(const std::string& interface) const { return netns->keys.at(of(interface)).value; }

  FakeKernel::NetnsPtr netns;
};

std::vector<std::string> repaired(const std::vector<Report>& reports) {
  std::vector<std::string> keys;
  for (const Report& report : reports) {
    for (const Change& change : report.changes) {
      if (change.kind == Change::Kind::repaired) keys.push_back(change.finding.key);
    }
  }
  return keys;
}

}  // namespace

TEST_CASE("an interface that comes is governed when its event comes, and by the sweep without one") {
  Router world(filters());
  CHECK(world.value("lo") == "2\n");
  world.plug("qr-1");
  CHECK(repaired(world.on_links_changed()) == std::vector<std::string>{"net.ipv4.conf.qr-1.rp_filter"});
  CHECK(world.totals().settings == 2);
  world.plug("qr-2");
  world.reconciler.set_link_reports_complete(false);
  CHECK(repaired(world.sweep()) == std::vector<std::string>{"net.ipv4.conf.qr-2.rp_filter"});
}

TEST_CASE("where links are trusted most sweeps do not look, and yet one of eight does") {
  Router world(filters());
  int until = 0;
  world.plug("qr-1");
  for (; until < 9 && world.value("qr-1") == "0\n"; ++until) world.sweep();
  CHECK(world.value("qr-1") == "2\n");
  CHECK(until <= 8);
}

TEST_CASE("when events of links were lost each netns is looked at") {
  Router world(filters());
  world.plug("qr-1");
  world.reconciler.on_links_lost();
  world.sweep();
  CHECK(world.value("qr-1") == "2\n");
}

TEST_CASE("why keys could not be looked for is not told again when the netns cannot be entered for another reason") {
  Router world(filters());
  world.netns->find_error = EMFILE;
  const auto first = world.on_links_changed();
  REQUIRE(first.size() == 1);
  CHECK(first[0].life == Report::Life::cannot_enter);
  CHECK(first[0].error.code == EMFILE);
  world.netns->enter_error = EACCES;
  const auto second = world.sweep();
  REQUIRE(second.size() == 1);
  CHECK(second[0].life == Report::Life::cannot_enter);
  CHECK(second[0].error.code == EACCES);
  CHECK(world.sweep().empty());
}

TEST_CASE("an interface that goes takes its settings with it, and leaves those of the others as they were") {
  Router world(filters());
  world.plug("qr-1");
  world.on_links_changed();
  const std::size_t binds = world.kernel.count("bind");
  world.netns->keys.erase(of("qr-1"));
  world.sweep();  // there was no event
  CHECK(world.totals().settings == 1);
  CHECK(world.totals().compliant == 1);
  CHECK(world.kernel.count("bind") == binds);
  CHECK(world.reconciler.findings(WhichSettings::not_compliant, 10).empty());
}

TEST_CASE("an interface that is renamed is governed under its new name") {
  Router world(filters());
  world.plug("eth0");
  world.on_links_changed();
  world.netns->keys.erase(of("eth0"));
  world.plug("qr-9");
  CHECK(repaired(world.on_links_changed()) == std::vector<std::string>{"net.ipv4.conf.qr-9.rp_filter"});
  CHECK(world.totals().settings == 2);
}

TEST_CASE("interfaces with hostile names are governed as they are") {
  Router world(filters());
  const std::vector<std::string> names{"a\"b", "$(id)", "*", "eth0.100", "[x]", "\xff"};
  for (const std::string& name : names) world.plug(name);
  world.on_links_changed();
  for (const std::string& name : names) CHECK(world.value(name) == "2\n");
  CHECK(world.totals().settings == names.size() + 1);
}

TEST_CASE("a netns that dies while its interfaces are looked at is let go") {
  Router world(filters());
  world.plug("qr-1");
  world.kernel.before = [&](std::string_view operation) {
    if (operation.starts_with("find")) world.kernel.remove("q1");
  };
  world.on_links_changed();
  world.kernel.before = nullptr;
  world.sweep();
  CHECK(world.totals().settings == 0);
  CHECK(world.netns->bound == 0);
}

TEST_CASE("an interface that goes between the look and the read does no harm") {
  Router world(filters());
  world.plug("qr-1");
  world.plug("qr-2");
  bool gone = false;
  world.kernel.before = [&](std::string_view operation) {
    if (!operation.starts_with("hold") || std::exchange(gone, true)) return;
    world.netns->keys.erase(of("qr-1"));
  };
  world.on_links_changed();
  world.kernel.before = nullptr;
  world.sweep();
  world.reconciler.set_link_reports_complete(false);
  world.sweep();
  CHECK(world.value("qr-2") == "2\n");
  CHECK(world.totals().settings == 2);
}

TEST_CASE("netns with the same interfaces share what the globs come to, and each has its own state") {
  World world(filters());
  std::vector<FakeKernel::NetnsPtr> all;
  for (int i = 0; i < 3; ++i) all.push_back(world.kernel.add("q" + std::to_string(i), {{of("eth0"), "0"}, {sentinel, "7200"}}));
  world.sweep();
  for (const auto& netns : all) CHECK(netns->keys[of("eth0")].value == "2\n");
  all[1]->keys[of("eth0")].value = "0\n";
  world.sweep();
  CHECK(all[1]->keys[of("eth0")].value == "2\n");
}

TEST_CASE("interfaces that come while a write waits in another thread are governed as soon as that has ended") {
  Router world(filters(), {{of("lo"), "0"}, {sentinel, "7200"}});
  world.plug("slow");
  world.netns->keys[of("slow")].slow = true;
  world.on_links_changed();
  world.plug("qr-1");
  world.on_links_changed();
  CHECK(world.value("qr-1") == "0\n");
  const auto places = world.reconciler.findings(WhichSettings::all, 10);
  REQUIRE(places.size() == 2);
  world.netns->keys[of("slow")].value = "2\n";
  world.reconciler.written(world.netns->inode, 1, 0);
  world.settle();
  CHECK(world.value("qr-1") == "2\n");
  CHECK(world.totals().compliant == 3);
}

TEST_CASE("a new policy governs the interfaces that are there") {
  Router world(filters());
  world.plug("qr-1");
  world.on_links_changed();
  world.reconciler.set_policies(filters("1"));
  world.sweep();
  CHECK(world.value("qr-1") == "1\n");
  CHECK(world.value("lo") == "1\n");
}

TEST_CASE("hundreds of interfaces are set right with few reads of all, and thousands in several visits") {
  Router world(filters());
  for (int i = 0; i < 640; ++i) world.plug("qr-" + std::to_string(i));
  world.kernel.journal.clear();
  world.on_links_changed();
  CHECK(world.totals().compliant == 641);
  CHECK(world.kernel.count("read") < 25);
  for (int i = 0; i < 640; ++i) world.netns->keys[of("qr-" + std::to_string(i))].value = "0\n";
  world.reconciler.begin_sweep();
  world.reconciler.list(NetnsCatalog::Detail::names, world.now);
  world.reconciler.step(1, world.now);
  world.settle();
  CHECK(world.totals().compliant == 641);
  CHECK(world.kernel.count("write") == 1280);
}

TEST_CASE("an optional key that does not exist is compliant, and set right when it comes") {
  const auto optional = policies({{"a", "^q", {{liberal, "1"}, {loose, "1"}}, Mode::enforce, [](PolicyConfig& policy) {
                                     policy.sysctls[0].optional = true;
                                   }}});
  Router world(optional, {{loose_path, "1"}});
  CHECK(world.totals().compliant == 2);
  CHECK(world.totals().missing == 0);
  const auto findings = world.reconciler.findings(WhichSettings::all, 10);
  CHECK(findings[0].have.empty());
  world.netns->keys[liberal_path].value = "0\n";
  world.sweep();
  CHECK(world.netns->keys[liberal_path].value == "1\n");
  CHECK(world.reconciler.missing_everywhere().empty());
}

TEST_CASE("a key that no netns has is told, as the policy has it") {
  Router world(policies({{"a", "^q", {{liberal, "1"}, {loose, "1"}}}}), {{loose_path, "1"}});
  const auto missing = world.reconciler.missing_everywhere();
  REQUIRE(missing.size() == 1);
  CHECK(world.reconciler.policies().keys()[missing[0]].name() == liberal);
}

TEST_CASE("a condition is audited without a value to set, and set right with one") {
  const auto at_least = [](std::optional<std::string> set) {
    return policies({{"a", "^q", {{liberal, "1"}}, Mode::enforce, [set](PolicyConfig& policy) {
                        policy.sysctls[0].want = std::get<Want>(Want::condition(Want::Kind::min, {"5"}, set, ValueSense{}));
                        policy.sysctls[0].note = "why";
                      }}});
  };
  Router audited(at_least(std::nullopt), {{liberal_path, "3"}});
  CHECK(audited.netns->keys[liberal_path].value == "3\n");
  const auto findings = audited.reconciler.findings(WhichSettings::not_compliant, 10);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].want == ">= 5");
  CHECK(findings[0].note == "why");
  Router enforced(at_least("7"), {{liberal_path, "3"}});
  CHECK(enforced.netns->keys[liberal_path].value == "7\n");
  enforced.netns->keys[liberal_path].value = "6\n";
  enforced.sweep();
  CHECK(enforced.netns->keys[liberal_path].value == "6\n");
}

TEST_CASE("observed values are as last read, nothing is wanted of them, and dead netns leave none") {
  Router world(policies({{"a",
                          "^q",
                          {{loose, "1"}},
                          Mode::enforce,
                          [](PolicyConfig& policy) {
                            policy.observe = {{key_pattern("net.netfilter.nf_conntrack_count"), {}},
                                              {key_pattern("net.ipv4.conf.*.rp_filter"), {}}};
                          }}}),
               {{loose_path, "1"}, {"netfilter/nf_conntrack_count", "5"}, {of("lo"), "3"}});
  const auto shown = [&](std::size_t cap) {
    std::vector<std::string> all;
    for (const Observed& one : world.reconciler.observations(cap))
      all.push_back(one.netns + " " + one.key + "=" + std::to_string(static_cast<int>(one.numbers.at(0))));
    return all;
  };
  CHECK(shown(10) == std::vector<std::string>{"q1 net.ipv4.conf.lo.rp_filter=3", "q1 net.netfilter.nf_conntrack_count=5"});
  CHECK(shown(1).size() == 1);
  CHECK(world.reconciler.overview(world.now).observed == 2);
  CHECK(world.totals().settings == 1);
  world.netns->keys["netfilter/nf_conntrack_count"].value = "6\n";
  world.sweep();
  CHECK(shown(10)[1] == "q1 net.netfilter.nf_conntrack_count=6");
  CHECK(world.kernel.count("write") == 0);
  world.kernel.remove("q1");
  world.sweep();
  CHECK(shown(10).empty());
}

TEST_CASE("two settings that undo each other through the kernel are told once and not written in turn") {
  const std::string forward = "ipv4/ip_forward";
  const std::string all = "ipv4/conf/all/forwarding";
  const bool slow = GENERATE(false, true);
  World world(policies({{"a", "^q", {{"net.ipv4.ip_forward", "1"}, {"net.ipv4.conf.all.forwarding", "0"}}}}));
  const auto netns = world.kernel.add("q1", {{forward, "0"}, {all, "0"}});
  const auto links = [&](const std::string& from, const std::string& to) {
    netns->keys[from].side_effect = [from, to](FakeNetns& of) { of.keys[to].value = of.keys[from].value; };
    netns->keys[from].slow = slow;
  };
  links(forward, all);
  links(all, forward);
  std::size_t lines = 0;
  const auto count = [&](const std::vector<Report>& reports) {
    for (const Report& report : reports) {
      for (const Change& change : report.changes) {
        if (change.kind != Change::Kind::contradicted) continue;
        ++lines;
        CHECK(change.finding.key == "net.ipv4.ip_forward");
        CHECK(change.other == "net.ipv4.conf.all.forwarding");
      }
    }
  };
  const auto work = [&] {
    count(world.reconciler.take_reports());
    for (int i = 0; i < 5 && slow; ++i) {
      // Simulates the writer thread: both keys are one kernel value.
      const std::string& last = world.kernel.journal.back();
      const bool wrote = last.starts_with("write");
      if (!wrote) break;
      const bool first = last.find(forward) != std::string::npos;
      netns->keys[forward].value = netns->keys[all].value = first ? "1\n" : "0\n";
      world.reconciler.written(netns->inode, first ? 0 : 1, 0);
      world.settle();
      count(world.reconciler.take_reports());
    }
  };
  count(world.sweep());
  work();
  CHECK(lines == 1);
  CHECK(netns->keys[all].value == "0\n");
  const std::size_t writes = world.kernel.count("write");
  CHECK(writes <= 4);
  for (int i = 0; i < 5; ++i) {
    world.now += std::chrono::seconds(10);
    count(world.sweep());
    work();
  }
  CHECK(world.kernel.count("write") == writes);
  CHECK(lines == 1);
}

TEST_CASE("what a policy that restores overwrites is told with what was found") {
  const auto set = policies(
      {{"a", "^q", {{liberal, "1"}, {loose, "1"}}, Mode::enforce, [](PolicyConfig& policy) { policy.restore = true; }}});
  World world(set);
  world.kernel.add("q1", {{liberal_path, "0"}, {loose_path, "1"}});
  const auto reports = world.sweep();
  REQUIRE(reports.size() == 1);
  REQUIRE(reports[0].overwritten.size() == 1);
  CHECK(reports[0].overwritten[0].key.path() == liberal_path);
  CHECK(reports[0].overwritten[0].found == "0");
  CHECK(reports[0].overwritten[0].stored == "1");
  CHECK(reports[0].cookie != 0);
}
