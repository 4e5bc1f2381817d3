// SPDX-License-Identifier: Apache-2.0
// Writes by other processes: detection, repair and damping; and the daemon's own writes from another thread.
#include "catch.hpp"
#include "reconciler_fixture.hpp"

using namespace nswarden;
using namespace nswarden::test;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::size_t count(const std::vector<Report>& reports, Change::Kind kind) {
  std::size_t found = 0;
  for (const auto& report : reports) {
    for (const Change& change : report.changes) found += change.kind == kind ? 1 : 0;
  }
  return found;
}

/// One governed, compliant router; its settings in write order: liberal, loose.
struct Router : World {
  FakeKernel::NetnsPtr netns = kernel.add("qrouter-1", router_compliant());
  Router() : World(router_policy()) {
    sweep();
    kernel.journal.clear();
  }
  std::vector<Report> drift_again(const std::string& value = "0\n") {
    netns->keys[liberal_path].value = value;
    return report_write(netns, 0);
  }
  [[nodiscard]] std::size_t writes() const { return kernel.count("write"); }
};

}  // namespace

TEST_CASE("a write that is seen is judged and repaired at once, as an event") {
  Router router;
  router.now += seconds(3);
  const auto reports = router.drift_again();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].source == Source::event);
  CHECK(reports[0].inode == router.netns->inode);
  CHECK(reports[0].changes.at(0).kind == Change::Kind::repaired);
  CHECK(reports[0].changes[0].setting == 0);
  CHECK(reports[0].write_seen == router.now);
  CHECK(router.netns->keys[liberal_path].value == "1\n");
  CHECK(router.report_write(router.netns, 0).empty());
}

TEST_CASE("a write that is seen makes all settings of that netns be read, and of no other") {
  Router router;
  router.kernel.add("qrouter-2", router_compliant());
  router.sweep();
  router.netns->keys[loose_path].value = "0\n";
  router.kernel.journal.clear();
  CHECK(count(router.report_write(router.netns, 0), Change::Kind::repaired) == 1);
  CHECK(router.netns->keys[loose_path].value == "1\n");
  CHECK(router.kernel.count("read qrouter-2") == 0);
}

TEST_CASE("a write in a netns that nobody knows, or to a setting that is none, is nothing") {
  Router router;
  router.reconciler.on_write(1, 0, router.now);
  router.reconciler.on_write(router.netns->inode, 7, router.now);
  CHECK_FALSE(router.reconciler.work());
}

TEST_CASE("a write that cannot be told to be of any netns makes those be read that have such a key") {
  World world(policies({{"routers", "^q", {{liberal, "1"}}}, {"pods", "^p", {{loose, "1"}}}}));
  auto router = world.kernel.add("q1", router_compliant());
  auto pod = world.kernel.add("p1", router_compliant());
  world.sweep();
  world.kernel.journal.clear();
  router->keys[liberal_path].value = "0\n";
  world.reconciler.on_unplaced_write("nf_conntrack_tcp_be_liberal", world.now);
  world.settle();
  CHECK(count(world.reconciler.take_reports(), Change::Kind::repaired) == 1);
  CHECK(world.kernel.count("read p1") == 0);
}

TEST_CASE("netns that were written to come before those that are new, and both before the sweep") {
  World world(router_policy());
  for (int i = 0; i < 20; ++i) world.kernel.add("qrouter-" + std::to_string(100 + i), router_compliant());
  auto written = world.kernel.add("qrouter-999", router_compliant());
  world.sweep();
  world.kernel.journal.clear();
  world.reconciler.begin_sweep();
  world.reconciler.list(NetnsCatalog::Detail::names, world.now);
  world.reconciler.step(1, world.now);
  world.kernel.add("qrouter-new", router_compliant());
  world.reconciler.touch(0, "qrouter-new", world.now);
  world.reconciler.on_write(written->inode, 0, world.now);
  world.kernel.journal.clear();
  CHECK(world.reconciler.urgent());
  world.reconciler.step(1, world.now);
  CHECK_FALSE(world.reconciler.urgent());
  world.reconciler.step(1, world.now);
  CHECK(world.kernel.journal.at(0) == "read qrouter-999");
  CHECK(world.kernel.journal.at(1) == "bind qrouter-new");
  world.settle();
  CHECK(world.kernel.count("read") == 21);
}

TEST_CASE("a setting that is changed back again and again is suspended, tried now and then, and stays visible") {
  Router router;
  for (int i = 0; i < 5; ++i) CHECK(count(router.drift_again(), Change::Kind::repaired) == 1);
  const auto reports = router.drift_again();
  REQUIRE(count(reports, Change::Kind::suspended) == 1);
  CHECK(reports[0].changes.at(0).detected);
  CHECK(reports[0].changes[0].retry_in == seconds(1));
  CHECK(router.writes() == 5);
  CHECK(router.findings().at(0).reason == Reason::suspended);
  CHECK(router.reconciler.overview(router.now).policies.at(0).suspended == 1);
  CHECK(router.totals().drifted == 1);

  SECTION("while it is wrong and not to be written, events cost no visit, and sweeps tell nothing new") {
    router.kernel.journal.clear();
    for (int i = 0; i < 1000; ++i) CHECK(router.drift_again(std::to_string(i + 2) + "\n").empty());
    CHECK(router.kernel.count("read") == 0);
    CHECK(router.sweep().empty());
    CHECK(router.writes() == 0);
  }
  SECTION("it is written when the pause is over, and the next pause is longer") {
    CHECK(router.pass(milliseconds(999)).empty());
    CHECK(count(router.pass(milliseconds(1)), Change::Kind::repaired) == 1);
    router.drift_again();
    CHECK(router.pass(milliseconds(1999)).empty());
    CHECK(count(router.pass(milliseconds(1)), Change::Kind::repaired) == 1);
    CHECK(router.writes() == 7);
  }
  SECTION("no other setting and no other netns pays for it") {
    auto other = router.kernel.add("qrouter-2", router_defaults());
    router.sweep();
    CHECK(other->keys[liberal_path].value == "1\n");
    router.netns->keys[loose_path].value = "0\n";
    CHECK(count(router.report_write(router.netns, 1), Change::Kind::repaired) == 1);
  }
  SECTION("when it has been right for long enough, that is told once") {
    CHECK(count(router.pass(seconds(1)), Change::Kind::repaired) == 1);
    CHECK(router.reconciler.retry_due() == router.now + seconds(10));
    CHECK(count(router.pass(seconds(10)), Change::Kind::calmed) == 1);
    CHECK(router.reconciler.overview(router.now).policies.at(0).suspended == 0);
    CHECK_FALSE(router.reconciler.retry_due().has_value());
    CHECK(count(router.drift_again(), Change::Kind::repaired) == 1);
  }
  SECTION("right is right, whoever made it so") {
    CHECK(count(router.drift_again("1\n"), Change::Kind::recovered) == 0);  // not read, because no repair is permitted yet
    CHECK(count(router.sweep(), Change::Kind::recovered) == 1);
    CHECK(count(router.pass(seconds(10)), Change::Kind::calmed) == 1);
    CHECK(router.writes() == 5);
  }
  SECTION("a netns that goes is not waited for") {
    router.kernel.remove("qrouter-1");
    router.touch("qrouter-1");
    CHECK_FALSE(router.reconciler.retry_due().has_value());
  }
}

TEST_CASE("an opponent quicker than our reading back is one, and no clamp") {
  Router router;
  router.netns->keys[liberal_path].store = [](std::string_view) { return "0\n"; };
  for (int i = 0; i < 5; ++i) {
    const auto reports = router.drift_again();
    CHECK(reports.at(0).attempts.at(0).outcome == Outcome::failed);
    CHECK(router.findings().at(0).reason == Reason::value);
  }
  CHECK(count(router.drift_again(), Change::Kind::suspended) == 1);
  CHECK(router.writes() == 10);
  CHECK(count(router.pass(seconds(1)), Change::Kind::repaired) == 0);
  CHECK(router.findings().at(0).reason == Reason::suspended);
  router.netns->keys[liberal_path].store = nullptr;
  CHECK(count(router.pass(seconds(2)), Change::Kind::repaired) == 1);
}

TEST_CASE("an opponent that was taken for a clamp before anything was seen of it is answered like any other") {
  World router(router_policy());
  auto netns = router.kernel.add("qrouter-1", router_defaults());
  netns->keys[liberal_path].store = [](std::string_view) { return "0\n"; };
  router.sweep();
  CHECK(router.findings().at(0).reason == Reason::clamped);
  for (int i = 0; i < 6; ++i) router.report_write(netns, 0);
  CHECK(router.findings().at(0).reason == Reason::suspended);
  netns->keys[liberal_path].store = nullptr;
  CHECK(count(router.pass(seconds(1)), Change::Kind::repaired) == 1);
}

TEST_CASE("writes to other settings make no opponent of a kernel that clamps") {
  World router(router_policy());
  auto netns = router.kernel.add("qrouter-1", router_defaults());
  netns->keys[liberal_path].store = [](std::string_view) { return "4\n"; };
  router.sweep();
  const std::size_t before = router.kernel.count("write");
  CHECK(router.findings().at(0).reason == Reason::clamped);
  for (int i = 0; i < 10; ++i) {
    router.report_write(netns, 1);
    router.reconciler.on_unplaced_write("nf_conntrack_tcp_be_liberal", router.now);
    router.settle();
  }
  CHECK(router.kernel.count("write") == before);
  CHECK(router.findings().at(0).reason == Reason::clamped);
  router.pass(seconds(3600));
  router.sweep();
  CHECK(router.findings().at(0).reason == Reason::clamped);
  CHECK(router.kernel.count("write") > before);
}

TEST_CASE("an opponent that the kernel helps by clamping is damped as well") {
  World world(policies({{"p", "^q", {{liberal, "1"}}}}));
  auto netns = world.kernel.add("q1", {{liberal_path, "0"}});
  netns->keys[liberal_path].store = [](std::string_view) { return "4\n"; };
  world.sweep();
  for (int i = 0; i < 1000; ++i) {
    netns->keys[liberal_path].value = std::to_string(i + 5) + "\n";
    world.report_write(netns, 0);
  }
  CHECK(world.kernel.count("write") <= 10);
}

TEST_CASE("failing writes are tried ever more seldom, to once in five minutes, whatever events come") {
  Router router;
  router.netns->keys[liberal_path].write_error = EINVAL;
  std::size_t last = 0;
  for (int second = 0; second < 3600; ++second) {
    router.drift_again(std::to_string(second % 2) + "7\n");
    router.pass(seconds(1));
    if (second == 1800) last = router.writes();
  }
  CHECK(router.writes() < 25);
  CHECK(router.writes() - last == 6);
  router.netns->keys[liberal_path].write_error = 0;
  SECTION("and at once after a reload") {
    router.reconciler.set_policies(router_policy());
    router.sweep();
    CHECK(router.totals().compliant == 2);
  }
  SECTION("and succeed when the pause is over") {
    router.pass(seconds(300));
    CHECK(router.totals().compliant == 2);
    CHECK_FALSE(router.reconciler.retry_due().has_value());
  }
}

TEST_CASE("while a netns that waits for a retry cannot be bound, nothing is due at once again and again") {
  Router router;
  router.netns->keys[liberal_path].write_error = EINVAL;
  router.drift_again();
  REQUIRE(router.reconciler.retry_due().has_value());
  router.netns->enter_error = EMFILE;
  router.reconciler.set_policies(router_policy());
  router.sweep();
  CHECK(router.pass(seconds(10)).empty());
  CHECK((!router.reconciler.retry_due() || *router.reconciler.retry_due() > router.now));
  router.netns->enter_error = 0;
  router.netns->keys[liberal_path].write_error = 0;
  router.sweep();
  CHECK(router.totals().compliant == 2);
}

TEST_CASE("a write that another thread makes holds nothing up, and is judged when it has ended") {
  World world(policies({{"p", "^q", {{"net.ipv4.ip_forward", "1"}, {loose, "1"}}}}));
  auto netns = world.kernel.add("q1", {{"ipv4/ip_forward", "1"}, {loose_path, "1"}});
  world.sweep();
  world.kernel.journal.clear();
  const auto forward = [&]() -> FakeKey& { return netns->keys["ipv4/ip_forward"]; };
  forward().slow = true;
  forward().value = "0\n";
  netns->keys[loose_path].value = "0\n";
  auto reports = world.report_write(netns, 0);
  CHECK(count(reports, Change::Kind::drifted) == 2);
  CHECK(reports.at(0).attempts.empty());
  CHECK(world.kernel.count("write") == 1);
  CHECK_FALSE(world.reconciler.work());

  SECTION("nothing is written in that netns until then") {
    world.sweep();
    world.report_write(netns, 1);
    CHECK(world.kernel.count("write") == 1);
    CHECK(netns->keys[loose_path].value == "0\n");
  }
  SECTION("when it was taken, it is counted, told with the value it had, and the rest is written") {
    forward().value = "1\n";
    world.now += milliseconds(100);
    world.reconciler.written(netns->inode, 0, 0);
    world.settle();
    reports = world.reconciler.take_reports();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].source == Source::event);
    CHECK(reports[0].write_seen == world.now - milliseconds(100));
    CHECK(reports[0].attempts.at(0).outcome == Outcome::fixed);
    REQUIRE(count(reports, Change::Kind::repaired) == 2);
    CHECK(reports[0].changes.at(0).finding.have == "0");
    CHECK(world.totals().compliant == 2);
  }
  SECTION("an error of it is told, and backed off from") {
    world.reconciler.written(netns->inode, 0, EPERM);
    world.settle();
    reports = world.reconciler.take_reports();
    CHECK(reports.at(0).attempts.at(0).outcome == Outcome::refused);
    CHECK(world.reconciler.retry_due() == world.now + seconds(1));
    CHECK(netns->keys[loose_path].value == "1\n");
  }
  SECTION("one that is undone is made twice, and then given up") {
    world.reconciler.written(netns->inode, 0, 0);
    world.settle();
    CHECK(world.kernel.count("write q1 ipv4/ip_forward") == 2);
    world.reconciler.written(netns->inode, 0, 0);
    world.settle();
    CHECK(world.kernel.count("write q1 ipv4/ip_forward") == 2);
    CHECK(world.reconciler.take_reports().back().attempts.at(0).outcome == Outcome::failed);
  }
  SECTION("one that cannot be handed over now is neither counted nor forgotten") {
    auto other = world.kernel.add("q2", {{"ipv4/ip_forward", "0"}, {loose_path, "1"}});
    other->keys["ipv4/ip_forward"].write_error = EAGAIN;
    for (const auto& report : world.sweep()) CHECK(report.attempts.empty());
    CHECK(world.reconciler.retry_due() == world.now + milliseconds(20));
    other->keys["ipv4/ip_forward"].write_error = 0;
    CHECK(count(world.pass(milliseconds(20)), Change::Kind::repaired) == 1);
    CHECK_FALSE(world.reconciler.retry_due().has_value());
  }
  SECTION("its end may come when its netns has gone") {
    world.kernel.remove("q1");
    world.touch("q1");
    world.reconciler.written(netns->inode, 0, 0);
    CHECK_FALSE(world.reconciler.work());
  }
}
