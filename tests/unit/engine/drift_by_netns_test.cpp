// SPDX-License-Identifier: Apache-2.0
// Drift of each netns from each policy, in addition to the totals.
#include "catch.hpp"
#include "reconciler_fixture.hpp"

#include <cerrno>
#include <string>
#include <vector>

using namespace nswarden;
using namespace nswarden::test;

namespace {

constexpr Mode audit = Mode::audit;

std::vector<std::string> lines(const World& world) {
  std::vector<std::string> lines;
  for (const NetnsDrift& drift : world.reconciler.drift_by_netns()) {
    lines.push_back(drift.netns + " " + drift.policy + " " + std::to_string(drift.not_compliant));
  }
  return lines;
}

void check_against_overview(const World& world) {
  const Overview overview = world.reconciler.overview(world.now);
  const auto policies = world.reconciler.policies().policies();
  for (std::size_t i = 0; i < policies.size(); ++i) {
    std::size_t netns = 0;
    std::size_t settings = 0;
    for (const NetnsDrift& drift : world.reconciler.drift_by_netns()) {
      if (drift.policy != policies[i].name) continue;
      ++netns;
      settings += drift.not_compliant;
    }
    INFO(policies[i].name);
    CHECK(netns == overview.policies[i].netns);
    CHECK(settings == overview.policies[i].not_compliant);
  }
}

}  // namespace

TEST_CASE("each netns has a count for each policy that matches it, 0 included, in byte order") {
  World world(policies({{"routers", "^qrouter-", {{liberal, "1"}, {loose, "1"}}, audit},
                        {"all", ".*", {{"net.ipv4.ip_forward", "1"}}, audit},
                        {"nobody", "^nobody", {{loose, "1"}}, audit}}));
  auto right = router_compliant();
  right["ipv4/ip_forward"] = "1";
  world.kernel.add("qrouter-2", right);
  world.kernel.add("other", {{"ipv4/ip_forward", "0"}});
  world.kernel.add("qrouter-1", {{liberal_path, "0"}, {loose_path, "0"}, {"ipv4/ip_forward", "1"}});
  world.sweep();
  CHECK(lines(world) == std::vector<std::string>{"other all 1", "qrouter-1 routers 2", "qrouter-1 all 0", "qrouter-2 routers 0",
                                                 "qrouter-2 all 0"});
  check_against_overview(world);
}

TEST_CASE("drifted, missing and unreadable settings count alike, and so do all of a netns that cannot be entered") {
  World world(router_policy(audit));
  world.kernel.add("qrouter-drifted", router_defaults());
  world.kernel.add("qrouter-missing", {{loose_path, "1"}});
  world.kernel.add("qrouter-unreadable", router_compliant())->keys[loose_path].read_error = EACCES;
  world.kernel.add("qrouter-shut", router_compliant())->enter_error = EPERM;
  world.sweep();
  CHECK(lines(world) == std::vector<std::string>{"qrouter-drifted routers 1", "qrouter-missing routers 1",
                                                 "qrouter-shut routers 2", "qrouter-unreadable routers 1"});
  check_against_overview(world);
}

TEST_CASE("a setting counts for the policy that owns it, and not for the one that lost it") {
  World world(policies({{"first", ".*", {{liberal, "0"}, {loose, "0"}}, audit}, {"last", ".*", {{liberal, "1"}}, audit}}));
  world.kernel.add("a", router_defaults());
  world.sweep();
  CHECK(lines(world) == std::vector<std::string>{"a first 1", "a last 1"});
  check_against_overview(world);
}

TEST_CASE("a netns that no policy matches, or that has gone, has no count") {
  World world(router_policy(audit));
  world.kernel.add("other", router_defaults());
  world.kernel.add("qrouter-1", router_defaults());
  world.sweep();
  CHECK(lines(world) == std::vector<std::string>{"qrouter-1 routers 1"});
  world.kernel.remove("qrouter-1");
  world.touch("qrouter-1");
  CHECK(lines(world).empty());
  check_against_overview(world);
}

TEST_CASE("a netns with two names has its counts once, under the first") {
  World world(router_policy(audit));
  const auto netns = world.kernel.add("qrouter-b", router_defaults());
  world.kernel.mount("qrouter-a", netns);
  world.kernel.mount("elsewhere", netns, 1);
  world.sweep();
  CHECK(lines(world) == std::vector<std::string>{"/run/other/elsewhere routers 1"});
  check_against_overview(world);
}

TEST_CASE("after a reload the counts are those of the new policies") {
  World world(router_policy(audit));
  world.kernel.add("qrouter-1", router_defaults());
  world.sweep();
  world.reconciler.set_policies(policies({{"new", ".*", {{loose, "0"}}, audit}}));
  check_against_overview(world);
  world.sweep();
  CHECK(lines(world) == std::vector<std::string>{"qrouter-1 new 1"});
  check_against_overview(world);
}
