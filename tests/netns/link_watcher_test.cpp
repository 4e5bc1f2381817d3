// SPDX-License-Identifier: Apache-2.0
// Reports of the link watcher on the real kernel, and its requirements for running.
#include <nswarden/netns/link_watcher.hpp>

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include <nswarden/os/process.hpp>
#include "catch.hpp"
#include "followed_netns.hpp"
#include "open_files.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::follow;
using test::FollowedNetns;
using test::in_home_netns;
using test::inode_of;
using test::Inodes;
using test::ip;
using test::ip_in;
using test::is_readable;
using test::link_report;
using test::LinkReport;
using test::TestNetns;

TEST_CASE(
    "interfaces that come, go, are renamed, move or are made again are told of a netns that is followed, and of no other") {
  in_home_netns([] {
    FollowedNetns world;
    const TestNetns other("other");
    const auto check = [&world](const TestNetns& netns, const std::string& command, const Inodes& expected) {
      ip_in(netns, command);
      const LinkReport seen = link_report(world.watcher);
      CAPTURE(command, seen.events);
      CHECK(seen.netns == expected);
      CHECK((seen.events > 0) == !expected.empty());
      CHECK_FALSE(seen.lost);
    };
    check(world.netns, "link add b0 type bridge", world.followed);
    check(world.netns, "link set b0 name b1", world.followed);
    check(world.netns, "link set b1 up", {});
    check(world.netns, "link set b1 name b2", world.followed);
    check(world.netns, "link del b2", world.followed);
    check(world.netns, "link add b2 type bridge", world.followed);
    check(other, "link add o0 type veth peer name o1", {});
    check(other, "link set o0 name o2", {});
    check(other, "link set o2 netns followed", world.followed);
    check(world.netns, "link set o2 netns other", world.followed);
    check(other, "link del o2", {});
  });
}

TEST_CASE("what is told are the files: a new interface makes two messages, a new name four, an mtu too small for IPv6 one") {
  in_home_netns([] {
    FollowedNetns world;
    const auto events = [&world](const std::string& command) {
      ip_in(world.netns, command);
      return link_report(world.watcher).events;
    };
    CHECK(events("link add b0 type bridge") == 2);
    CHECK(events("link set b0 name b1") == 4);
    CHECK(events("link set b1 mtu 1000") == 1);
    CHECK(events("link set b1 mtu 1280") == 1);
    CHECK(events("link set b1 mtu 1400") == 0);
    CHECK(events("link del b1") == 2);
  });
}

TEST_CASE("a carrier that flaps, an alias, a master and writes to sysctls do not even wake us") {
  in_home_netns([] {
    FollowedNetns world;
    test::inside(world.netns.path(), [&] {
      ip("link add v0 type veth peer name v1");
      ip("link add b0 type bridge");
      ip("link set v0 up");
      link_report(world.watcher);
      for (int i = 0; i < 5; ++i) {
        ip("link set v1 up");
        ip("link set v1 down");
      }
      ip("link set v0 alias other");
      ip("link set v0 master b0");
      ip("link set v0 mtu 1400");
      ip("addr add 192.0.2.1/24 dev v0");
      test::write_file("/proc/sys/net/ipv4/ip_forward", "1");
      test::write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
      test::write_file("/proc/sys/net/ipv4/conf/v0/rp_filter", "1");
      test::write_file("/proc/sys/net/ipv6/conf/v0/disable_ipv6", "1");
    });
    CHECK_FALSE(is_readable(world.watcher));
    ip_in(world.netns, "link set v1 name v2");
    CHECK(is_readable(world.watcher));
  });
}

TEST_CASE("when the last message of a change has been read, the files of the interface are there under its new name") {
  in_home_netns([] {
    FollowedNetns world;
    ip_in(world.netns, "link add n0 type bridge");
    link_report(world.watcher);
    std::size_t early = 0;
    test::inside(world.netns.path(), [&] {
      const Fd inside(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      for (int i = 0; i < 200; ++i) {
        const std::string from = "n" + std::to_string(i);
        const std::string to = "n" + std::to_string(i + 1);
        std::thread renames([&] {
          ifreq request{};
          from.copy(request.ifr_name, IFNAMSIZ - 1);
          to.copy(request.ifr_newname, IFNAMSIZ - 1);
          (void)::ioctl(inside.get(), SIOCSIFNAME, &request);
        });
        std::size_t events = 0;
        while (events < 4) events += world.watcher.read().events;
        for (const std::string family : {"ipv4", "ipv6"}) {
          if (::access(("/proc/sys/net/" + family + "/conf/" + to).c_str(), F_OK) != 0) ++early;
        }
        renames.join();
      }
    });
    CHECK(early == 0);
  });
}

TEST_CASE("a link watcher without a free file is down, and comes up when there is one") {
  in_home_netns([] {
    const TestNetns netns("late");
    // UBSan opens files itself when such a message is first formatted, so format one before limiting open files.
    test::with_capabilities(0, [] { CHECK_FALSE(LinkWatcher().problem().empty()); });
    const std::size_t limit = open_files_limit();
    REQUIRE(test::set_open_files_limit(3).ok());
    LinkWatcher watcher;
    const bool again = watcher.rearm();
    REQUIRE(test::set_open_files_limit(limit).ok());
    CHECK_FALSE(again);
    CHECK(watcher.problem().find("limit of open files") != std::string::npos);
    CHECK(watcher.rearm());
    CHECK_FALSE(watcher.rearm());
    CHECK(watcher.problem().empty());
    REQUIRE(follow(watcher, netns.path()));
    ip_in(netns, "link add b0 type bridge");
    CHECK(link_report(watcher).netns == Inodes{inode_of(netns.path())});
  });
}

}  // namespace
}  // namespace nswarden
