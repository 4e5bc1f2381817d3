// SPDX-License-Identifier: Apache-2.0
// Distribution of the file descriptor budget among netns.
#include "catch.hpp"
#include "reconciler_fixture.hpp"

using namespace nswarden;
using namespace nswarden::test;

TEST_CASE("the fd budget gives every netns its directories before any may hold all its keys") {
  World world(router_policy(), 6);
  for (int i = 0; i < 3; ++i) world.kernel.add("qrouter-" + std::to_string(i), router_compliant());
  world.sweep();
  CHECK(world.reconciler.overview(world.now).held_keys == 6);
  world.kernel.add("qrouter-3", router_compliant());
  world.kernel.add("qrouter-4", router_compliant());
  world.sweep();
  world.sweep();
  auto overview = world.reconciler.overview(world.now);
  CHECK(overview.transient_keys == 0);
  CHECK(overview.directory_keys == 8);
  CHECK(overview.held_keys == 2);
  CHECK(world.kernel.fds <= 6);
  for (int i = 0; i < 4; ++i) world.kernel.remove("qrouter-" + std::to_string(i));
  world.sweep();
  world.sweep();
  CHECK(world.reconciler.overview(world.now).held_keys == 2);
}

TEST_CASE("running out of files lowers the tier and governs all the same") {
  World world(router_policy(), 1000);
  world.kernel.fd_limit = 3;
  std::vector<FakeKernel::NetnsPtr> all;
  for (int i = 0; i < 5; ++i) all.push_back(world.kernel.add("qrouter-" + std::to_string(i), router_defaults()));
  world.sweep();
  for (const auto& netns : all) CHECK(netns->keys[liberal_path].value == "1\n");
  CHECK(world.totals().compliant == 10);
  CHECK(world.reconciler.overview(world.now).transient_keys > 0);
}
