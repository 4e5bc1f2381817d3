// SPDX-License-Identifier: Apache-2.0
// The netns ids in kernel messages: which netns have one, which processes may assign one, and which netns has it after a death
// (kernel facts 5 and 31).
#include "netns/netns_ids.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <nswarden/netns/link_watcher.hpp>
#include "catch.hpp"
#include "followed_netns.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::bit;
using test::dies;
using test::follow;
using test::FollowedNetns;
using test::in_home_netns;
using test::inode_of;
using test::Inodes;
using test::ip;
using test::ip_in;
using test::link_report;
using test::LinkReport;
using test::TestNetns;
using test::with_capabilities;

Fd sysctl_in(const TestNetns& netns) { return test::open_sysctl(netns.path(), "net/ipv4/ip_forward", O_RDONLY); }

TEST_CASE("our own netns is told only when it is followed, and gets no id for it") {
  in_home_netns([] {
    LinkWatcher watcher;
    test::add_bridge("b0");
    CHECK(link_report(watcher).netns.empty());
    const std::string path = "/proc/thread-self/ns/net";
    REQUIRE(follow(watcher, path));
    test::add_bridge("b1");
    CHECK(link_report(watcher).netns == Inodes{inode_of(path)});
    auto ids = NetnsIds::open();
    REQUIRE(ids.ok());
    const Fd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    CHECK_FALSE(ids->find(netns.get())->has_value());
    // Other processes may still assign it an id, as `ip netns set` does.
    REQUIRE(ids->assign(netns.get()).ok());
    REQUIRE(follow(watcher, path));
    test::add_bridge("b3");
    CHECK(link_report(watcher).netns == Inodes{inode_of(path)});
  });
}

TEST_CASE("a netns that has an id already is followed by it, and following it again changes nothing") {
  in_home_netns([] {
    const TestNetns netns("known");
    const Fd file(::open(netns.path().c_str(), O_RDONLY | O_CLOEXEC));
    auto ids = NetnsIds::open();
    REQUIRE(ids.ok());
    CHECK_FALSE(ids->find(file.get())->has_value());
    const int id = *ids->assign(file.get());
    CHECK(*ids->assign(file.get()) == id);
    LinkWatcher watcher;
    REQUIRE(follow(watcher, netns.path()));
    REQUIRE(follow(watcher, netns.path()));
    CHECK(**ids->find(file.get()) == id);
    ip_in(netns, "link add b0 type bridge");
    const LinkReport seen = link_report(watcher);
    CHECK(seen.netns == Inodes{inode_of(netns.path())});
    CHECK(seen.events == 2);
    CHECK_FALSE(watcher.follow(-1, 1));
  });
}

TEST_CASE("a netns that is followed dies with its name, and its interfaces with it (kernel facts 5 and 31)") {
  in_home_netns([] {
    LinkWatcher watcher;
    std::optional<TestNetns> netns(std::in_place, "dying");
    REQUIRE(follow(watcher, netns->path()));
    const Fd sysctl = sysctl_in(*netns);
    // The peer stays in this netns while the followed netns lives.
    ip("link add here0 type veth peer name there0 netns dying");
    link_report(watcher);
    netns.reset();
    CHECK(dies(sysctl));
    CHECK(test::eventually([] { return ::access("/proc/sys/net/ipv4/conf/here0", F_OK) != 0; }));
    CHECK_FALSE(link_report(watcher).lost);
  });
}

/// Assigns `netns` an id from outside the watcher; requires that it reuses the id of a dead netns.
void take_over(const TestNetns& netns, int id) {
  auto ids = NetnsIds::open();
  REQUIRE(ids.ok());
  const Fd file(::open(netns.path().c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(*ids->assign(file.get()) == id);
}

int id_of(const TestNetns& netns) {
  auto ids = NetnsIds::open();
  REQUIRE(ids.ok());
  const Fd file(::open(netns.path().c_str(), O_RDONLY | O_CLOEXEC));
  return ids->find(file.get())->value_or(no_netns_id);
}

void kill(std::optional<TestNetns>& netns) {
  const Fd sysctl = sysctl_in(*netns);
  netns.reset();
  REQUIRE(dies(sysctl));
}

TEST_CASE("the id of a dead netns says nothing of the next one that has it, until that is followed") {
  in_home_netns([] {
    LinkWatcher watcher;
    std::optional<TestNetns> first(std::in_place, "first");
    REQUIRE(follow(watcher, first->path()));
    const int id = id_of(*first);
    kill(first);
    const TestNetns second("second");
    take_over(second, id);
    ip_in(second, "link add b0 type bridge");
    CHECK(link_report(watcher).netns.empty());
    REQUIRE(follow(watcher, second.path()));
    ip_in(second, "link add b1 type bridge");
    CHECK(link_report(watcher).netns == Inodes{inode_of(second.path())});
  });
}

TEST_CASE("a netns is told that was followed while the death of the one with its id had not been read") {
  in_home_netns([] {
    LinkWatcher watcher;
    std::optional<TestNetns> first(std::in_place, "first");
    REQUIRE(follow(watcher, first->path()));
    const int id = id_of(*first);
    link_report(watcher);
    ip_in(*first, "link add b0 type bridge");
    const std::uint64_t dead = inode_of(first->path());
    kill(first);
    const TestNetns second("second");
    REQUIRE(follow(watcher, second.path()));
    REQUIRE(id_of(second) == id);
    ip_in(second, "link add b0 type bridge");
    Inodes both{dead, inode_of(second.path())};
    std::sort(both.begin(), both.end());
    both.erase(std::unique(both.begin(), both.end()), both.end());
    CHECK(link_report(watcher).netns == both);
    ip_in(second, "link add b1 type bridge");
    CHECK(link_report(watcher).netns == Inodes{inode_of(second.path())});
  });
}

TEST_CASE("the ids that other netns have for others are none of ours") {
  in_home_netns([] {
    FollowedNetns world;
    // In the followed netns, another netns has the same id number that the followed one has here.
    std::optional<TestNetns> third(std::in_place, "third");
    const int id = id_of(world.netns);
    test::inside(world.netns.path(), [&] { take_over(*third, id); });
    kill(third);
    CHECK_FALSE(link_report(world.watcher).lost);
    ip_in(world.netns, "link add b0 type bridge");
    CHECK(link_report(world.watcher).netns == world.followed);
  });
}

TEST_CASE("without CAP_NET_BROADCAST it is down and says so, whatever other capabilities there are") {
  in_home_netns([] {
    const TestNetns netns("deaf");
    with_capabilities(~bit(CAP_NET_BROADCAST), [&] {
      LinkWatcher watcher;
      CHECK(watcher.fd() == -1);
      CHECK(watcher.problem().find("CAP_NET_BROADCAST") != std::string::npos);
      CHECK_FALSE(watcher.rearm());
      CHECK_FALSE(follow(watcher, netns.path()));
      CHECK(watcher.read().netns.empty());
    });
  });
}

TEST_CASE("CAP_NET_BROADCAST is enough for a netns that has an id; giving one needs CAP_NET_ADMIN") {
  in_home_netns([] {
    const TestNetns known("known");
    const TestNetns unknown("unknown");
    take_over(known, 0);
    std::optional<LinkWatcher> watcher;
    with_capabilities(bit(CAP_NET_BROADCAST), [&] {
      watcher.emplace();
      REQUIRE(watcher->problem().empty());
      CHECK(follow(*watcher, known.path()));
      CHECK_FALSE(follow(*watcher, unknown.path()));
    });
    ip_in(known, "link add b0 type bridge");
    ip_in(unknown, "link add b0 type bridge");
    CHECK(link_report(*watcher).netns == Inodes{inode_of(known.path())});
  });
}

}  // namespace
}  // namespace nswarden
