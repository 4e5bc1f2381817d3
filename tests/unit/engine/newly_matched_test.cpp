// SPDX-License-Identifier: Apache-2.0
// Netns for which commands are due: once per life of a netns and policy, regardless of missed or repeated events.
#include <nswarden/engine/reconciler.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "catch.hpp"
#include "reconciler_fixture.hpp"

namespace nswarden {
namespace {

using test::World;

/// "netns:policy,policy" of each report with due commands; "!" marks those of the daemon's start.
std::vector<std::string> due(const std::vector<Report>& reports) {
  std::vector<std::string> all;
  for (const Report& report : reports) {
    if (report.newly_matched.empty()) continue;
    std::string text = (report.source == Source::startup ? "!" : "") + report.netns + ":";
    for (const PolicyIndex index : report.newly_matched) text += std::to_string(index);
    all.push_back(text);
  }
  std::sort(all.begin(), all.end());
  return all;
}

using Strings = std::vector<std::string>;

std::shared_ptr<const PolicySet> with_commands(const std::vector<std::string>& patterns) {
  Config config;
  for (const std::string& pattern : patterns) {
    PolicyConfig policy;
    policy.name = pattern;
    policy.netns = {test::pattern(pattern)};
    policy.commands.startup = {"true"};
    config.policies.push_back(std::move(policy));
  }
  return std::make_shared<PolicySet>(config, PolicySet::Audit::as_configured);
}

const std::map<std::string, std::string> plain{{"ipv4/tcp_keepalive_time", "7200"}};

TEST_CASE("commands are due once for each netns that was there at the start, and once for each that comes") {
  World world(with_commands({"a", "."}));
  world.kernel.add("a1", plain);
  world.kernel.add("b1", plain);
  CHECK(due(world.sweep()) == Strings{"!a1:01", "!b1:1"});
  CHECK(due(world.sweep()).empty());
  world.kernel.add("a2", plain);
  CHECK(due(world.touch("a2")) == Strings{"a2:01"});
  CHECK(due(world.touch("a2")).empty());
  world.kernel.add("b2", plain);
  CHECK(due(world.sweep()) == Strings{"b2:1"});
}

TEST_CASE("a netns that was made again under the same name and inode number is another one, also without any event") {
  World world(with_commands({"a"}));
  auto first = world.kernel.add("a", plain);
  world.sweep();
  world.kernel.remove("a");
  world.kernel.mount("a", world.kernel.make(plain, first->inode));
  CHECK(due(world.sweep()) == Strings{"a:0"});
  CHECK(due(world.touch("a")).empty());
}

TEST_CASE("commands are due after the sysctls are set, and also when one of them cannot be") {
  World world(test::router_policy());
  world.sweep();
  auto netns = world.kernel.add("qrouter-1", test::router_defaults());
  netns->keys[test::liberal_path].write_error = EPERM;
  const auto reports = world.touch("qrouter-1");
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].attempts.size() == 1);
  CHECK(due(reports) == Strings{"qrouter-1:0"});
}

TEST_CASE("nothing is due for what cannot be entered, until it can be") {
  World world(with_commands({"a"}));
  world.sweep();
  auto netns = world.kernel.add("a", plain);
  netns->enter_error = EPERM;
  CHECK(due(world.touch("a")).empty());
  netns->enter_error = 0;
  CHECK(due(world.touch("a")) == Strings{"a:0"});
}

TEST_CASE("a reload makes nothing due, neither for policies that are new nor for those that stay") {
  World world(with_commands({"a"}));
  world.kernel.add("a", plain);
  world.sweep();
  world.reconciler.set_policies(with_commands({".", "a"}));
  CHECK(due(world.sweep()).empty());
  world.kernel.add("a2", plain);
  CHECK(due(world.touch("a2")) == Strings{"a2:01"});
}

TEST_CASE("a reconciler that takes over finds nothing due in its first sweep, and what comes later is") {
  test::FakeKernel kernel;
  kernel.add("a1", plain);
  Reconciler::Options options{1000};
  options.resumed = true;
  Reconciler reconciler(kernel, with_commands({"a"}), options);
  const Time now{std::chrono::hours(1)};
  const auto sweep = [&] {
    reconciler.begin_sweep();
    reconciler.list(NetnsCatalog::Detail::full, now);
    while (reconciler.work()) reconciler.step(64, now);
    return reconciler.take_reports();
  };
  const auto first = sweep();
  REQUIRE(first.size() == 1);
  CHECK(first[0].source == Source::reconcile);
  CHECK(due(first).empty());
  kernel.add("a2", plain);
  CHECK(due(sweep()) == Strings{"a2:0"});
}

TEST_CASE("a netns that loses its last name and gets another is still the same, also after a reload in between") {
  World world(with_commands({"a", "."}));
  auto netns = world.kernel.add("a", plain);
  world.sweep();
  for (const bool reloaded : {false, true}) {
    world.kernel.entries.erase({0, "a"});
    world.touch("a");
    CHECK(world.reconciler.overview(world.now).totals.netns == 0);
    if (reloaded) world.reconciler.set_policies(with_commands({"b", ".", "a"}));
    world.kernel.mount("a", netns);
    CHECK(due(world.touch("a")).empty());
  }
  world.kernel.entries.erase({0, "a"});
  world.touch("a");
  world.kernel.remove("a");
  world.kernel.add("a", plain, netns->inode);
  CHECK(due(world.touch("a")) == Strings{"a:12"});
}

TEST_CASE("only the newest lives that went are remembered") {
  World world(with_commands({"a"}));
  auto first = world.kernel.add("a", plain);
  world.sweep();
  world.kernel.entries.erase({0, "a"});
  world.touch("a");
  for (int i = 0; i < 1000; ++i) {
    world.kernel.add("a", plain);
    REQUIRE(due(world.touch("a")) == Strings{"a:0"});
    world.kernel.entries.erase({0, "a"});
    world.touch("a");
  }
  world.kernel.mount("a", first);
  CHECK(due(world.touch("a")) == Strings{"a:0"});
}

TEST_CASE("a second name makes the policies due that matched no name before") {
  World world(with_commands({"a", "b"}));
  auto netns = world.kernel.add("a", plain);
  world.sweep();
  world.kernel.mount("b", netns);
  CHECK(due(world.touch("b")) == Strings{"a:1"});
  world.kernel.entries.erase({0, "b"});
  CHECK(due(world.touch("b")).empty());
  world.kernel.mount("b", netns);
  CHECK(due(world.touch("b")).empty());
}

}  // namespace
}  // namespace nswarden
