// SPDX-License-Identifier: Apache-2.0
// The time since which a setting is in its current state.
#include "catch.hpp"
#include "reconciler_fixture.hpp"

using namespace nswarden;
using namespace nswarden::test;

TEST_CASE("a finding says since when it is so") {
  World world(router_policy(Mode::audit));
  auto netns = world.kernel.add("qrouter-1", router_compliant());
  world.sweep();
  world.now += std::chrono::seconds(5);
  const auto broken = world.now;
  netns->keys[liberal_path].value = "0\n";
  world.sweep();
  world.now += std::chrono::seconds(5);
  SECTION("also when it gets another wrong value, or a reload comes between") {
    netns->keys[liberal_path].value = "2\n";
    world.reconciler.set_policies(router_policy(Mode::audit));
    world.sweep();
    REQUIRE(world.findings().size() == 1);
    CHECK(world.findings().front().since == broken);
  }
  SECTION("anew when it was right in between") {
    netns->keys[liberal_path].value = "1\n";
    world.sweep();
    world.now += std::chrono::seconds(5);
    netns->keys[liberal_path].value = "0\n";
    world.sweep();
    CHECK(world.findings().front().since == world.now);
  }
}
