// SPDX-License-Identifier: Apache-2.0
// Names and netns: which netns are governed, with events that are late, repeated, reordered or lost.
#include "catch.hpp"
#include "reconciler_fixture.hpp"

using namespace nswarden;
using namespace nswarden::test;

TEST_CASE("the first sweep repairs what it finds and says so") {
  World world(router_policy());
  auto netns = world.kernel.add("qrouter-1", router_defaults());
  const auto reports = world.sweep();
  CHECK(netns->keys[liberal_path].value == "1\n");
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].netns == "qrouter-1");
  CHECK(reports[0].life == Report::Life::governed);
  CHECK(reports[0].source == Source::startup);
  REQUIRE(reports[0].changes.size() == 1);
  CHECK(reports[0].changes[0].kind == Change::Kind::repaired);
  CHECK(reports[0].changes[0].detected);
  CHECK(reports[0].changes[0].finding.have == "0");
  CHECK(reports[0].changes[0].finding.want == "1");
  CHECK(reports[0].first_seen.has_value());
  CHECK(world.totals().compliant == 2);
}

TEST_CASE("a quiet sweep binds nothing, writes nothing and tells nothing") {
  World world(router_policy());
  world.kernel.add("qrouter-1", router_compliant());
  world.sweep();
  world.kernel.journal.clear();
  CHECK(world.sweep().empty());
  CHECK(world.kernel.journal == std::vector<std::string>{"list names", "read qrouter-1"});
}

TEST_CASE("a name appears as an empty file first and is governed when the mount is there") {
  World world(router_policy());
  world.sweep();
  world.kernel.place("qrouter-1", EntryKind::placeholder);
  CHECK(world.touch("qrouter-1").empty());
  CHECK(world.reconciler.overview(world.now).pending == 1);
  REQUIRE(world.reconciler.pending_due().has_value());
  const auto seen = world.now;
  world.now += std::chrono::milliseconds(3);
  world.kernel.add("qrouter-1", router_defaults());
  world.reconciler.check_pending(world.now);
  world.settle();
  const auto reports = world.reconciler.take_reports();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].source == Source::create);
  CHECK(reports[0].first_seen == seen);
  CHECK(world.reconciler.overview(world.now).pending == 0);
  CHECK_FALSE(world.reconciler.pending_due().has_value());
}

TEST_CASE("a stale file stops being pending and still becomes a netns when one is mounted there") {
  World world(router_policy());
  world.kernel.place("qrouter-1", EntryKind::placeholder);
  world.sweep();
  world.now += std::chrono::seconds(11);
  world.reconciler.check_pending(world.now);
  CHECK_FALSE(world.reconciler.pending_due().has_value());
  CHECK(world.reconciler.overview(world.now).pending == 0);
  world.kernel.add("qrouter-1", router_defaults());
  world.sweep();
  CHECK(world.totals().compliant == 2);
}

TEST_CASE("an event that never came costs nothing but time: the sweep finds names that came and went") {
  World world(router_policy());
  auto gone = world.kernel.add("qrouter-old", router_compliant());
  world.sweep();
  world.kernel.remove("qrouter-old");
  auto added = world.kernel.add("qrouter-new", router_defaults());
  world.sweep();
  CHECK(gone->bound == 0);
  CHECK(added->keys[liberal_path].value == "1\n");
  CHECK(world.totals().netns == 1);
}

TEST_CASE("an event that comes twice or late changes nothing") {
  World world(router_policy());
  world.kernel.add("qrouter-1", router_defaults());
  world.touch("qrouter-1");
  world.kernel.journal.clear();
  CHECK(world.touch("qrouter-1").empty());
  CHECK(world.kernel.count("write") == 0);
  CHECK(world.kernel.count("bind") == 0);
  world.kernel.remove("qrouter-1");
  CHECK(world.touch("qrouter-1").size() == 1);
  CHECK(world.touch("qrouter-1").empty());
  CHECK(world.touch("never-there").empty());
}

TEST_CASE("a netns that died and came again under its name and inode number is a new life") {
  World world(router_policy());
  auto first = world.kernel.add("qrouter-1", router_compliant(), 4711);
  world.sweep();
  first->alive = false;
  auto second = world.kernel.add("qrouter-1", router_defaults(), 4711);
  const auto reports = world.sweep();
  CHECK(second->keys[liberal_path].value == "1\n");
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].life == Report::Life::governed);
  CHECK(first->bound == 0);
}

TEST_CASE("an event for a netns recreated under the same inode number governs it without waiting for a sweep") {
  World world(router_policy());
  world.kernel.add("qrouter-1", router_compliant(), 4711)->alive = true;
  world.sweep();
  world.kernel.remove("qrouter-1");
  auto second = world.kernel.add("qrouter-1", router_defaults(), 4711);
  const auto reports = world.touch("qrouter-1");
  CHECK(second->keys[liberal_path].value == "1\n");
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].source == Source::create);
}

TEST_CASE("another netns mounted over the same name is found by a full listing while the first one lives on") {
  World world(router_policy());
  auto first = world.kernel.add("qrouter-1", router_compliant());
  world.sweep();
  auto second = world.kernel.add("qrouter-1", router_defaults());
  world.sweep(NetnsCatalog::Detail::full);
  CHECK(first->bound == 0);
  CHECK(second->keys[liberal_path].value == "1\n");
  CHECK(world.totals().netns == 1);
}

TEST_CASE("an unmount without unlink ends the binding") {
  World world(router_policy());
  auto netns = world.kernel.add("qrouter-1", router_compliant());
  world.sweep();
  world.kernel.place("qrouter-1", EntryKind::placeholder);
  const auto reports = world.sweep(NetnsCatalog::Detail::full);
  CHECK(netns->bound == 0);
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].life == Report::Life::gone);
}

TEST_CASE("two names for one netns are one netns, shown by the first, and either may match") {
  World world(policies({{"a", "^alpha", {{liberal, "1"}}}, {"b", "^beta", {{loose, "0"}}}}));
  auto netns = world.kernel.add("beta", router_defaults());
  world.kernel.mount("alpha", netns);
  world.sweep();
  CHECK(world.totals().netns == 1);
  CHECK(netns->keys[liberal_path].value == "1\n");
  CHECK(netns->keys[loose_path].value == "0\n");
  CHECK(world.reconciler.findings(WhichSettings::all, 10).front().netns == "alpha");
  SECTION("and when one goes, what only that one matched is no longer wanted") {
    world.kernel.entries.erase({0, "alpha"});
    world.touch("alpha");
    netns->keys[liberal_path].value = "0\n";
    world.sweep();
    CHECK(netns->keys[liberal_path].value == "0\n");
    CHECK(world.totals().settings == 1);
    CHECK(netns->bound == 1);
  }
}

TEST_CASE("a new name that gets the inode number of a dead netns is judged by itself") {
  World world(router_policy());
  auto dead = world.kernel.add("qrouter-old", router_compliant(), 99);
  world.sweep();
  world.kernel.remove("qrouter-old");
  auto live = world.kernel.add("qrouter-new", router_defaults(), 99);
  world.touch("qrouter-new");
  CHECK(live->keys[liberal_path].value == "1\n");
  CHECK(world.totals().netns == 1);
  CHECK(dead->bound == 0);
}

TEST_CASE("a name that lost its netns without an event lends its policies to no other that gets the inode number") {
  const auto unmount = [](FakeKernel& kernel) { kernel.place("qrouter-old", EntryKind::placeholder); };
  const auto unlink = [](FakeKernel& kernel) { kernel.entries.erase({0, "qrouter-old"}); };
  const auto cover = [](FakeKernel& kernel) { kernel.add("qrouter-old", router_compliant(), 100); };
  for (const std::function<void(FakeKernel&)>& lose : {std::function<void(FakeKernel&)>(unmount), {unlink}, {cover}}) {
    for (const std::string name : {"before", "zebra"}) {  // either name may be the binding one
      World world(router_policy());
      const auto dead = world.kernel.add("qrouter-old", router_compliant(), 99);
      world.sweep();
      dead->alive = false;
      lose(world.kernel);
      const auto live = world.kernel.add(name, router_defaults(), 99);
      world.touch(name);
      world.sweep();
      CHECK(live->keys[liberal_path].value == "0\n");
      CHECK(dead->bound == 0);
    }
  }
}

TEST_CASE("the host's netns is refused once, by whatever name, and never touched") {
  World world(policies({{"all", ".*", {{liberal, "1"}}}}));
  auto host = world.kernel.add("host", router_defaults());
  host->refusal = Refusal::host_netns;
  const auto reports = world.sweep();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].life == Report::Life::host_refused);
  CHECK(world.sweep().empty());
  CHECK(world.sweep(NetnsCatalog::Detail::full).empty());
  CHECK(host->keys[liberal_path].value == "0\n");
  CHECK(world.totals().netns == 0);
}

TEST_CASE("entries that are no netns stop nothing") {
  World world(router_policy());
  world.kernel.place("qrouter-fifo", EntryKind::other);
  world.kernel.add("qrouter-uts", {})->refusal = Refusal::not_a_netns;
  auto netns = world.kernel.add("qrouter-1", router_defaults());
  world.sweep();
  CHECK(netns->keys[liberal_path].value == "1\n");
  CHECK(world.totals().netns == 1);
  CHECK(world.kernel.count("bind qrouter-fifo") == 0);
}

TEST_CASE("a netns that cannot be entered is unreadable, told once, and governed when it can be") {
  World world(router_policy());
  auto netns = world.kernel.add("qrouter-1", router_defaults());
  netns->enter_error = EPERM;
  auto reports = world.sweep();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].life == Report::Life::cannot_enter);
  CHECK(reports[0].error.code == EPERM);
  CHECK(world.totals().unreadable == 2);
  CHECK(world.sweep().empty());
  netns->enter_error = 0;
  world.sweep();
  CHECK(world.totals().compliant == 2);
}

TEST_CASE("a netns that no policy matches is entered once to know what it is, and then left alone") {
  World world(router_policy());
  world.kernel.add("dhcp-1", router_defaults());
  const auto reports = world.sweep();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].life == Report::Life::unmatched);
  CHECK(world.reconciler.overview(world.now).unmatched == 1);
  CHECK(world.totals().netns == 0);
  world.kernel.journal.clear();
  world.sweep();
  CHECK(world.kernel.journal == std::vector<std::string>{"list names"});
}

TEST_CASE("a netns that vanishes between any two calls is never written to, counted or kept") {
  int calls = 1;
  for (int deadline = 0; deadline < calls; ++deadline) {
    World world(router_policy());
    auto netns = world.kernel.add("qrouter-1", router_defaults());
    calls = 0;
    world.kernel.before = [&](std::string_view) {
      if (calls++ == deadline) world.kernel.remove("qrouter-1");
    };
    const auto reports = world.sweep();
    world.kernel.before = nullptr;
    if (calls <= deadline) break;
    world.sweep();
    CAPTURE(deadline);
    CHECK(netns->bound == 0);
    CHECK(world.totals().netns == 0);
    CHECK(world.findings().empty());
    for (const Report& report : reports) {
      for (const Attempt& attempt : report.attempts) CHECK(attempt.outcome == Outcome::fixed);
    }
  }
}

TEST_CASE("a netns recreated between any two calls is governed after one more sweep") {
  int calls = 1;
  for (int deadline = 0; deadline < calls; ++deadline) {
    World world(router_policy());
    world.kernel.add("qrouter-1", router_defaults(), 7);
    FakeKernel::NetnsPtr second;
    calls = 0;
    world.kernel.before = [&](std::string_view) {
      if (calls++ != deadline) return;
      world.kernel.remove("qrouter-1");
      second = world.kernel.add("qrouter-1", router_defaults(), deadline % 2 == 0 ? 7U : 8U);
    };
    world.sweep();
    world.kernel.before = nullptr;
    world.sweep(NetnsCatalog::Detail::full);
    CAPTURE(deadline);
    if (second) CHECK(second->keys[liberal_path].value == "1\n");
    CHECK(world.totals().netns == 1);
    CHECK(world.totals().compliant == 2);
  }
}

TEST_CASE("a directory that cannot be listed keeps what is known governed, and stops no other directory") {
  World world(router_policy());
  auto netns = world.kernel.add("qrouter-1", router_compliant());
  world.sweep();
  world.kernel.list_error = EACCES;
  netns->keys[liberal_path].value = "0\n";
  auto other = world.kernel.make(router_defaults());
  world.kernel.mount("qrouter-2", other, 1);
  world.reconciler.begin_sweep();
  const auto failures = world.reconciler.list(NetnsCatalog::Detail::names, world.now);
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].error.code == EACCES);
  world.settle();
  CHECK(netns->keys[liberal_path].value == "1\n");
  CHECK(other->keys[liberal_path].value == "1\n");
}

TEST_CASE("a sweep is cut into steps, and a netns that comes in between is visited first") {
  World world(router_policy());
  for (int i = 0; i < 50; ++i) world.kernel.add("qrouter-" + std::to_string(100 + i), router_compliant());
  world.sweep();
  world.reconciler.begin_sweep();
  CHECK(world.reconciler.list(NetnsCatalog::Detail::names, world.now).empty());
  world.kernel.journal.clear();
  world.reconciler.step(10, world.now);
  CHECK(world.kernel.count("read") == 5);
  world.kernel.add("qrouter-new", router_compliant());
  world.reconciler.touch(0, "qrouter-new", world.now);
  world.kernel.journal.clear();
  world.reconciler.step(1, world.now);
  CHECK(world.kernel.count("bind qrouter-new") == 1);
  world.settle();
  CHECK(world.kernel.count("read") == 46);
}

TEST_CASE("what is queued again and again holds no sweep up") {
  World world(router_policy());
  for (int i = 0; i < 10; ++i) world.kernel.add("qrouter-" + std::to_string(i), router_compliant());
  world.sweep();
  world.reconciler.begin_sweep();
  CHECK(world.reconciler.list(NetnsCatalog::Detail::names, world.now).empty());
  for (int i = 0; i < 50 && world.reconciler.sweeping(); ++i) {
    world.reconciler.on_unplaced_write("nf_conntrack_tcp_loose", world.now);
    world.reconciler.step(1, world.now);
  }
  CHECK_FALSE(world.reconciler.sweeping());
  CHECK(world.reconciler.work());
}

TEST_CASE("names in the second directory are labelled by their path") {
  World world(router_policy());
  world.kernel.mount("qrouter-1", world.kernel.make(router_defaults()), 1);
  world.sweep();
  CHECK(world.reconciler.findings(WhichSettings::all, 10).front().netns == "/run/other/qrouter-1");
}

TEST_CASE("new policies keep what is known of settings that stay, and let go of the rest") {
  World world(router_policy(Mode::audit));
  auto netns = world.kernel.add("qrouter-1", router_defaults());
  CHECK(world.sweep().front().changes.size() == 1);
  world.reconciler.set_policies(router_policy(Mode::audit));
  CHECK(world.sweep().empty());
  CHECK(world.totals().drifted == 1);
  SECTION("and counts it all the while, though nothing is bound yet") {
    world.reconciler.set_policies(router_policy(Mode::audit));
    CHECK(world.totals().netns == 1);
    CHECK(world.totals().settings == 2);
    CHECK(world.totals().drifted == world.findings().size());
  }
  SECTION("enforcing after auditing repairs") {
    world.reconciler.set_policies(router_policy(Mode::enforce));
    world.sweep();
    CHECK(netns->keys[liberal_path].value == "1\n");
  }
  SECTION("a netns that no policy matches any more is let go") {
    world.reconciler.set_policies(policies({{"other", "^x", {{liberal, "1"}}}}));
    world.sweep();
    CHECK(world.totals().netns == 0);
    CHECK(world.reconciler.overview(world.now).unmatched == 1);
  }
}

TEST_CASE("a netns is not judged by some of its names while the others are still to be looked at") {
  World world(policies({{"first", "^a", {{loose, "0"}}}, {"last", "^z", {{loose, "1"}}}}));
  world.sweep();
  auto netns = world.kernel.add("a", router_compliant());
  for (int i = 0; i < 50; ++i) world.kernel.add("m-" + std::to_string(i), router_compliant());
  world.kernel.mount("z", netns);
  world.reconciler.list(NetnsCatalog::Detail::full, world.now);
  while (world.reconciler.work()) {
    world.reconciler.step(1, world.now);
    world.reconciler.on_write(netns->inode, 0, world.now);
    if (world.kernel.count("bind a") > 0 || world.kernel.count("bind z") > 0) break;
  }
  world.settle();
  CHECK(world.kernel.count("write") == 0);
  CHECK(world.totals().settings == 1);
}
