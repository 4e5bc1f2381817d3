// SPDX-License-Identifier: Apache-2.0
// Settings: evaluation, repair in order, and exactly one state for each.
#include "catch.hpp"
#include "reconciler_fixture.hpp"

using namespace nswarden;
using namespace nswarden::test;

namespace {
bool adds_up(const Totals& t) { return t.settings == t.compliant + t.drifted + t.missing + t.unreadable; }
}  // namespace

TEST_CASE("only a difference is written") {
  World world(router_policy());
  world.kernel.add("qrouter-1", router_defaults());
  world.sweep();
  CHECK(world.kernel.count("write") == 1);
  CHECK(world.kernel.count("write qrouter-1 netfilter/nf_conntrack_tcp_be_liberal=1") == 1);
}

TEST_CASE("drift is repaired by the next sweep and told as new drift") {
  World world(router_policy());
  auto netns = world.kernel.add("qrouter-1", router_compliant());
  world.sweep();
  netns->keys[loose_path].value = "0\n";
  const auto reports = world.sweep();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].source == Source::reconcile);
  CHECK(reports[0].changes.at(0).kind == Change::Kind::repaired);
  CHECK(reports[0].changes.at(0).detected);
  CHECK(netns->keys[loose_path].value == "1\n");
  CHECK(reports[0].attempts.at(0).outcome == Outcome::fixed);
  CHECK_FALSE(reports[0].first_seen.has_value());
}

TEST_CASE("audit writes nothing, tells once, and tells again only when the fact changes") {
  World world(router_policy(Mode::audit));
  auto netns = world.kernel.add("qrouter-1", router_defaults());
  CHECK(world.sweep().at(0).changes.at(0).kind == Change::Kind::drifted);
  CHECK(world.sweep().empty());
  netns->keys[liberal_path].value = "7\n";
  auto reports = world.sweep();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].changes.at(0).finding.have == "7");
  CHECK_FALSE(reports[0].changes[0].detected);
  netns->keys[liberal_path].value = "1\n";
  CHECK(world.sweep().at(0).changes.at(0).kind == Change::Kind::recovered);
  CHECK(world.kernel.count("write") == 0);
  CHECK(world.totals().compliant == 2);
}

TEST_CASE("a key that is missing is reported and never created") {
  World world(router_policy());
  auto netns = world.kernel.add("qrouter-1", {{loose_path, "0"}});
  const auto reports = world.sweep();
  CHECK(reports.at(0).changes.size() == 2);
  CHECK_FALSE(netns->keys.contains(liberal_path));
  CHECK(world.kernel.count("write qrouter-1 " + liberal_path) == 0);
  CHECK(netns->keys[loose_path].value == "1\n");
  CHECK(world.totals().missing == 1);
  CHECK(world.findings().at(0).reason == Reason::missing);
  CHECK(world.sweep().empty());
  SECTION("and is set right by the sweep after it has appeared") {
    netns->keys[liberal_path].value = "0\n";
    CHECK(world.sweep().at(0).changes.at(0).kind == Change::Kind::repaired);
    CHECK(netns->keys[liberal_path].value == "1\n");
  }
}

TEST_CASE("a key that is missing everywhere is looked for in one netns a sweep, then in all") {
  World world(policies({{"routers", "^q", {{liberal, "1"}}}}));
  std::vector<FakeKernel::NetnsPtr> all;
  for (int i = 0; i < 20; ++i) all.push_back(world.kernel.add("q" + std::to_string(i), {}));
  world.sweep();
  world.kernel.journal.clear();
  world.sweep();
  CHECK(world.kernel.count("find_missing") == 1);
  for (const auto& netns : all) netns->keys[liberal_path].value = "0\n";
  world.sweep();
  for (const auto& netns : all) CHECK(netns->keys[liberal_path].value == "1\n");
}

TEST_CASE("a key of an interface is looked for in each netns where it is missing") {
  World world(policies({{"routers", "^q", {{"net.ipv4.conf.eth0.rp_filter", "2"}}}}));
  std::vector<FakeKernel::NetnsPtr> all;
  for (int i = 0; i < 5; ++i) all.push_back(world.kernel.add("q" + std::to_string(i), {}));
  world.sweep();
  all[4]->keys["ipv4/conf/eth0/rp_filter"].value = "0\n";
  world.sweep();
  CHECK(all[4]->keys["ipv4/conf/eth0/rp_filter"].value == "2\n");
}

TEST_CASE("an interface that goes makes its key missing, and the netns lives on") {
  World world(policies({{"routers", "^q", {{"net.ipv4.conf.eth0.rp_filter", "2"}, {liberal, "1"}}}}));
  auto netns = world.kernel.add("q1", {{"ipv4/conf/eth0/rp_filter", "2"}, {liberal_path, "1"}});
  world.sweep();
  netns->keys.erase("ipv4/conf/eth0/rp_filter");
  const auto reports = world.sweep();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].life == Report::Life::unchanged);
  CHECK(reports[0].changes.at(0).finding.state == State::missing);
  CHECK(world.totals().compliant == 1);
  CHECK(world.totals().missing == 1);
}

TEST_CASE("a refused or rejected write stops no other key, is tried again ever more seldom, and is told once") {
  struct Case {
    int error;
    Outcome outcome;
  };
  for (const Case& c : {Case{EACCES, Outcome::refused}, Case{EROFS, Outcome::refused}, Case{EPERM, Outcome::refused},
                        Case{EINVAL, Outcome::rejected}, Case{EIO, Outcome::failed}, Case{ENOENT, Outcome::failed}}) {
    World world(router_policy());
    auto netns = world.kernel.add("qrouter-1", {{liberal_path, "0"}, {loose_path, "0"}});
    netns->keys[liberal_path].write_error = c.error;
    auto reports = world.sweep();
    CAPTURE(c.error);
    CHECK(netns->keys[loose_path].value == "1\n");
    REQUIRE(reports.at(0).attempts.size() == 2);
    CHECK(reports[0].attempts[0].outcome == c.outcome);
    CHECK(reports[0].attempts[0].error == c.error);
    CHECK(world.totals().drifted == 1);
    CHECK(adds_up(world.totals()));
    CHECK(world.sweep().empty());
    REQUIRE(world.reconciler.retry_due() == world.now + std::chrono::seconds(1));
    reports = world.pass(std::chrono::seconds(1));
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].changes.empty());
    CHECK(reports[0].attempts.size() == 1);
    CHECK(world.pass(std::chrono::seconds(1)).empty());
    netns->keys[liberal_path].write_error = 0;
    CHECK(world.pass(std::chrono::seconds(1)).at(0).changes.at(0).kind == Change::Kind::repaired);
    CHECK_FALSE(world.reconciler.retry_due().has_value());
  }
}

TEST_CASE("a value that the kernel stores as another one is clamped, and not written for ever") {
  World world(policies({{"p", "^q", {{"net.ipv4.icmp_ratelimit", "1"}}}}));
  auto netns = world.kernel.add("q1", {{"ipv4/icmp_ratelimit", "1000"}});
  netns->keys["ipv4/icmp_ratelimit"].store = [](std::string_view) { return "4\n"; };
  const auto reports = world.sweep();
  REQUIRE(reports.at(0).attempts.size() == 1);
  CHECK(reports[0].attempts[0].outcome == Outcome::clamped);
  CHECK(world.findings().at(0).reason == Reason::clamped);
  CHECK(world.totals().drifted == 1);
  world.kernel.journal.clear();
  for (int i = 0; i < 5; ++i) {
    world.now += std::chrono::seconds(10);
    CHECK(world.sweep().empty());
  }
  CHECK(world.kernel.count("write") == 0);
  SECTION("another value is drift again and written") {
    netns->keys["ipv4/icmp_ratelimit"].value = "500\n";
    world.sweep();
    CHECK(world.kernel.count("write") == 2);
    CHECK(world.findings().at(0).reason == Reason::clamped);
  }
  SECTION("after a while it is tried again, ever more seldom") {
    int tries = 0;
    for (int i = 0; i < 8640; ++i) {
      world.now += std::chrono::seconds(10);
      world.kernel.journal.clear();
      world.sweep();
      tries += world.kernel.count("write") > 0 ? 1 : 0;
    }
    CHECK(tries > 20);
    CHECK(tries < 40);
  }
}

TEST_CASE("a write that another program undoes at once is a failure and not a clamp") {
  World world(policies({{"p", "^q", {{liberal, "1"}}}}));
  auto netns = world.kernel.add("q1", {{liberal_path, "0"}});
  int undone = 0;
  netns->keys[liberal_path].side_effect = [&](FakeNetns& self) {
    self.keys[liberal_path].value = undone++ % 2 == 0 ? "0\n" : "5\n";
  };
  const auto reports = world.sweep();
  CHECK(reports.at(0).attempts.at(0).outcome == Outcome::failed);
  CHECK(reports[0].attempts[0].error == 0);
  CHECK(world.findings().at(0).reason == Reason::value);
  world.kernel.journal.clear();
  world.sweep();
  CHECK(world.kernel.count("write") == 2);
}

TEST_CASE("all is written before default before interfaces, and a write that sets another right saves its write") {
  World world(policies({{"p",
                         "^q",
                         {{"net.ipv4.conf.eth0.forwarding", "1"},
                          {"net.ipv4.conf.default.forwarding", "1"},
                          {"net.ipv4.conf.all.rp_filter", "2"},
                          {"net.ipv4.ip_forward", "1"}}}}));
  auto netns = world.kernel.add("q1", {{"ipv4/conf/eth0/forwarding", "0"},
                                       {"ipv4/conf/default/forwarding", "0"},
                                       {"ipv4/conf/all/rp_filter", "0"},
                                       {"ipv4/ip_forward", "0"}});
  netns->keys["ipv4/ip_forward"].side_effect = [](FakeNetns& self) {
    self.keys["ipv4/conf/default/forwarding"].value = "1\n";
    self.keys["ipv4/conf/eth0/forwarding"].value = "1\n";
  };
  world.sweep();
  std::vector<std::string> writes;
  for (const auto& line : world.kernel.journal) {
    if (line.starts_with("write")) writes.push_back(line);
  }
  CHECK(writes == std::vector<std::string>{"write q1 ipv4/ip_forward=1", "write q1 ipv4/conf/all/rp_filter=2"});
  CHECK(world.totals().compliant == 4);
}

TEST_CASE("a write that sets another key wrong is followed by one that sets it right") {
  World world(policies({{"p", "^q", {{"net.ipv4.conf.all.accept_redirects", "0"}, {"net.ipv4.conf.all.forwarding", "0"}}}}));
  auto netns = world.kernel.add("q1", {{"ipv4/conf/all/accept_redirects", "0"}, {"ipv4/conf/all/forwarding", "1"}});
  netns->keys["ipv4/conf/all/forwarding"].side_effect = [](FakeNetns& self) {
    self.keys["ipv4/conf/all/accept_redirects"].value = "1\n";
  };
  world.sweep();
  CHECK(world.totals().compliant == 2);
}

TEST_CASE("two settings that undo each other end the visit and stay visible") {
  World world(policies({{"p", "^q", {{liberal, "1"}, {loose, "1"}}}}));
  auto netns = world.kernel.add("q1", {{liberal_path, "0"}, {loose_path, "0"}});
  netns->keys[liberal_path].side_effect = [](FakeNetns& self) { self.keys[loose_path].value = "0\n"; };
  netns->keys[loose_path].side_effect = [](FakeNetns& self) { self.keys[liberal_path].value = "0\n"; };
  world.sweep();
  CHECK(world.kernel.count("write") == 3);
  CHECK(world.totals().drifted == 1);
  CHECK(adds_up(world.totals()));
  SECTION("and are not written in turn by every sweep") {
    world.kernel.journal.clear();
    for (int i = 0; i < 5; ++i) {
      world.now += std::chrono::seconds(10);
      CHECK(world.sweep().empty());
    }
    CHECK(world.kernel.count("write") == 0);
  }
}

TEST_CASE("unreadable is a state of its own with its errno") {
  World world(policies({{"p", "^q", {{loose, "1"}, {liberal, "1"}}}}));
  auto netns = world.kernel.add("q1", {{loose_path, "0"}, {liberal_path, "0"}});
  netns->keys[loose_path].read_error = EACCES;
  world.sweep();
  CHECK(world.totals().unreadable == 1);
  CHECK(world.totals().compliant == 1);
  CHECK(world.findings().at(0).error == EACCES);
  CHECK(world.kernel.count("write q1 " + loose_path) == 0);
  CHECK(adds_up(world.totals()));
}

TEST_CASE("a secret that was never written cannot be read and is written all the same") {
  World world(policies({{"p", "^q", {{"net.ipv6.conf.all.stable_secret", "::1"}}}}));
  auto netns = world.kernel.add("q1", {{"ipv6/conf/all/stable_secret", ""}});
  netns->keys["ipv6/conf/all/stable_secret"].read_error = EIO;
  netns->keys["ipv6/conf/all/stable_secret"].side_effect = [](FakeNetns& self) {
    self.keys["ipv6/conf/all/stable_secret"].read_error = 0;
  };
  world.sweep();
  CHECK(world.totals().compliant == 1);
}

TEST_CASE("what a visit found and did before an interface went is told, and the rest is done in the same visit") {
  World world(policies({{"p", "^q", {{liberal, "1"}, {loose, "1"}, {"net.ipv4.conf.eth0.rp_filter", "2"}}}}));
  auto netns = world.kernel.add("q1", {{liberal_path, "0"}, {loose_path, "0"}, {"ipv4/conf/eth0/rp_filter", "2"}});
  netns->keys[loose_path].side_effect = [](FakeNetns& self) { self.keys.erase("ipv4/conf/eth0/rp_filter"); };
  const auto reports = world.sweep();
  REQUIRE(reports.size() == 1);
  std::size_t detected = 0;
  for (const Change& change : reports[0].changes) detected += change.detected ? 1 : 0;
  CHECK(detected == 3);
  CHECK(world.totals().compliant == 2);
  CHECK(world.totals().missing == 1);
}

TEST_CASE("a key that some netns can never have does not keep it from being found in the others") {
  World world(policies({{"p", "^q", {{liberal, "1"}}}}));
  std::vector<FakeKernel::NetnsPtr> all;
  for (int i = 0; i < 4; ++i) all.push_back(world.kernel.add("q" + std::to_string(i), {}));
  world.sweep();
  all[3]->keys[liberal_path].value = "0\n";
  for (int i = 0; i < 5; ++i) world.sweep();
  CHECK(all[3]->keys[liberal_path].value == "1\n");
}

TEST_CASE("secrets are compared and repaired but never shown") {
  World world(policies({{"p", "^q", {{"net.ipv4.tcp_fastopen_key", "1-2-3-4"}}}}));
  world.kernel.add("q1", {{"ipv4/tcp_fastopen_key", "5-6-7-8"}});
  const auto reports = world.sweep();
  const Finding& finding = reports.at(0).changes.at(0).finding;
  CHECK(finding.want == "redacted");
  CHECK(finding.have == "redacted");
}

TEST_CASE("vectors are compared by their numbers, however they are separated") {
  World world(policies({{"p", "^q", {{"net.ipv4.tcp_rmem", "4096 131072 6291456"}}}}));
  world.kernel.add("q1", {{"ipv4/tcp_rmem", "4096\t131072\t6291456"}});
  world.sweep();
  CHECK(world.totals().compliant == 1);
  CHECK(world.kernel.count("write") == 0);
}
