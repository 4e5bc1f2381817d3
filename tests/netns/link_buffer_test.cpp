// SPDX-License-Identifier: Apache-2.0
// More link messages than the watcher's socket buffer holds, or than one read takes.
#include <nswarden/netns/link_watcher.hpp>

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "catch.hpp"
#include "followed_netns.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::follow;
using test::FollowedNetns;
using test::in_home_netns;
using test::inode_of;
using test::Inodes;
using test::ip_in;
using test::link_report;
using test::LinkReport;
using test::TestNetns;

void shrink_buffer(const LinkWatcher& watcher) {
  const int least = 1;
  REQUIRE(::setsockopt(watcher.fd(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least) == 0);
}

/// Removes and recreates the IPv6 files of one interface, one message each time.
void flood(const TestNetns& netns, int messages) {
  test::inside(netns.path(), [messages] {
    test::add_bridge("flood");
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::string("flood").copy(request.ifr_name, IFNAMSIZ - 1);
    for (int i = 0; i < messages; ++i) {
      request.ifr_mtu = i % 2 == 0 ? 1000 : 1500;
      REQUIRE(::ioctl(socket.get(), SIOCSIFMTU, &request) == 0);
    }
  });
}

TEST_CASE("messages that found no room are told as lost, and later ones are seen again") {
  in_home_netns([] {
    FollowedNetns world;
    shrink_buffer(world.watcher);
    flood(world.netns, 20);
    const LinkReport flooded = link_report(world.watcher);
    CHECK(flooded.lost);
    CHECK(flooded.netns == world.followed);
    ip_in(world.netns, "link add b0 type bridge");
    const LinkReport seen = link_report(world.watcher);
    CHECK_FALSE(seen.lost);
    CHECK(seen.netns == world.followed);
  });
}

TEST_CASE("what is followed while there is no room is told later as well") {
  in_home_netns([] {
    FollowedNetns world;
    shrink_buffer(world.watcher);
    flood(world.netns, 20);
    const TestNetns late("late");
    REQUIRE(follow(world.watcher, late.path()));
    CHECK(link_report(world.watcher).lost);
    ip_in(late, "link add b0 type bridge");
    CHECK(link_report(world.watcher).netns == Inodes{inode_of(late.path())});
  });
}

TEST_CASE("a batch is bounded, and says that there is more; the buffer has room for a thousand messages") {
  in_home_netns([] {
    FollowedNetns world;
    flood(world.netns, 998);
    std::size_t events = 0;
    std::size_t batches = 1;
    LinkChanges changes = world.watcher.read();
    for (; changes.more; changes = world.watcher.read()) {
      CHECK(changes.events == 64);
      CHECK(changes.netns == world.followed);
      CHECK_FALSE(changes.lost);
      events += changes.events;
      ++batches;
    }
    CHECK(events + changes.events == 1000);
    CHECK(batches == 16);
  });
}

}  // namespace
}  // namespace nswarden
