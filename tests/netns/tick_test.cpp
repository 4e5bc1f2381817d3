// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/process.hpp>

#include <chrono>
#include <string>

#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using namespace std::chrono_literals;

TEST_CASE("the tick is the one to which the kernel rounds up milliseconds (kernel fact 28)") {
  const std::chrono::nanoseconds tick = kernel_tick();
  REQUIRE(tick >= 1ms);
  REQUIRE(tick <= 10ms);
  const test::TestNetns netns;
  const std::string key = "net/ipv4/icmp_ratelimit";
  for (const std::chrono::milliseconds request : {1ms, 2ms, 3ms, 5ms, 9ms, 11ms, 1000ms}) {
    test::write_sysctl(netns.path(), key, std::to_string(request.count()));
    const auto ticks = (request + tick - 1ns) / tick;
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(ticks * tick);
    CHECK(test::read_sysctl(netns.path(), key) == std::to_string(rounded.count()) + "\n");
  }
}

}  // namespace
}  // namespace nswarden
