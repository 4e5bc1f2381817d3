// SPDX-License-Identifier: Apache-2.0
// The watcher on the real kernel, in a home of its own so that the ids of netns there are its alone. The kernel queues a message
// before the call that caused it returns, so there is nothing to wait for.
#include <nswarden/os/link_watcher.hpp>

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nswarden/os/limits.hpp>
#include "catch.hpp"
#include "os/netns_ids.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using os::Fd;
using os::LinkWatcher;
using os::NetnsIds;
using test::TestNetns;

using Inodes = std::vector<std::uint64_t>;

std::uint64_t inode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_ino;
}

bool follow(LinkWatcher& watcher, const std::string& path) {
  const Fd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return watcher.follow(netns.get(), inode_of(path));
}

struct Told {
  Inodes netns;  // each once, sorted
  std::size_t events = 0;
  bool lost = false;
};

/// All that waits.
Told told(LinkWatcher& watcher) {
  Told all;
  for (bool more = true; more;) {
    const os::LinkChanges changes = watcher.read();
    all.netns.insert(all.netns.end(), changes.netns.begin(), changes.netns.end());
    all.events += changes.events;
    all.lost = all.lost || changes.lost;
    more = changes.more;
  }
  std::sort(all.netns.begin(), all.netns.end());
  all.netns.erase(std::unique(all.netns.begin(), all.netns.end()), all.netns.end());
  return all;
}

bool is_readable(const LinkWatcher& watcher) {
  pollfd polled{watcher.fd(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

/// In the netns of the calling thread.
void ip(const std::string& command) {
  CAPTURE(command);
  REQUIRE(std::system(("ip " + command).c_str()) == 0);
}

void ip_in(const TestNetns& netns, const std::string& command) {
  test::inside(netns.path(), [&] { ip(command); });
}

/// `what` in a thread whose home netns is nobody else's.
void at_home(const std::function<void()>& what) {
  const TestNetns home("home");
  test::inside(home.path(), what);
}

/// Gone, with all that was in it, for whoever still has a file of it.
bool dies(const Fd& sysctl) {
  struct stat status {};
  return test::eventually([&] { return ::fstat(sysctl.get(), &status) != 0; });
}

Fd sysctl_in(const TestNetns& netns) {
  Fd file;
  test::inside(netns.path(), [&] { file.reset(::open("/proc/sys/net/ipv4/ip_forward", O_RDONLY | O_CLOEXEC)); });
  REQUIRE(file);
  return file;
}

/// A netns that is followed, in a home where nobody else has an id.
struct World {
  World() {
    REQUIRE(watcher.problem().empty());
    REQUIRE(follow(watcher, netns.path()));
    told(watcher);
  }
  TestNetns netns{"followed"};
  LinkWatcher watcher;
  const Inodes followed{inode_of(netns.path())};
};

TEST_CASE(
    "interfaces that come, go, are renamed, move or are made again are told of a netns that is followed, and of no other") {
  at_home([] {
    World world;
    const TestNetns other("other");
    const auto check = [&world](const TestNetns& where, const std::string& command, const Inodes& expected) {
      ip_in(where, command);
      const Told seen = told(world.watcher);
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
  at_home([] {
    World world;
    const auto events = [&world](const std::string& command) {
      ip_in(world.netns, command);
      return told(world.watcher).events;
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
  at_home([] {
    World world;
    test::inside(world.netns.path(), [&] {
      ip("link add v0 type veth peer name v1");
      ip("link add b0 type bridge");
      ip("link set v0 up");
      told(world.watcher);
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
  at_home([] {
    World world;
    ip_in(world.netns, "link add n0 type bridge");
    told(world.watcher);
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

TEST_CASE("our own netns is told only when it is followed, and gets no id for it") {
  at_home([] {
    LinkWatcher watcher;
    test::add_bridge("b0");
    CHECK(told(watcher).netns.empty());
    const std::string path = "/proc/thread-self/ns/net";
    REQUIRE(follow(watcher, path));
    test::add_bridge("b1");
    CHECK(told(watcher).netns == Inodes{inode_of(path)});
    auto ids = NetnsIds::open();
    REQUIRE(ids.ok());
    const Fd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    CHECK_FALSE(ids->find(netns.get())->has_value());
    // Somebody may give it one all the same: `ip netns set` does.
    REQUIRE(ids->give(netns.get()).ok());
    REQUIRE(follow(watcher, path));
    test::add_bridge("b3");
    CHECK(told(watcher).netns == Inodes{inode_of(path)});
  });
}

TEST_CASE("a netns that has an id already is followed by it, and following it again changes nothing") {
  at_home([] {
    const TestNetns netns("known");
    const Fd file(::open(netns.path().c_str(), O_RDONLY | O_CLOEXEC));
    auto ids = NetnsIds::open();
    REQUIRE(ids.ok());
    CHECK_FALSE(ids->find(file.get())->has_value());
    const int id = *ids->give(file.get());
    CHECK(*ids->give(file.get()) == id);
    LinkWatcher watcher;
    REQUIRE(follow(watcher, netns.path()));
    REQUIRE(follow(watcher, netns.path()));
    CHECK(**ids->find(file.get()) == id);
    ip_in(netns, "link add b0 type bridge");
    const Told seen = told(watcher);
    CHECK(seen.netns == Inodes{inode_of(netns.path())});
    CHECK(seen.events == 2);
    CHECK_FALSE(watcher.follow(-1, 1));
  });
}

TEST_CASE("a netns that is followed dies with its name, and its interfaces with it (kernel facts 5 and 31)") {
  at_home([] {
    LinkWatcher watcher;
    std::optional<TestNetns> netns(std::in_place, "dying");
    REQUIRE(follow(watcher, netns->path()));
    const Fd sysctl = sysctl_in(*netns);
    // The other end stays here, as long as this one lives.
    ip("link add here0 type veth peer name there0 netns dying");
    told(watcher);
    netns.reset();
    CHECK(dies(sysctl));
    CHECK(test::eventually([] { return ::access("/proc/sys/net/ipv4/conf/here0", F_OK) != 0; }));
    CHECK_FALSE(told(watcher).lost);
  });
}

/// Has an id that somebody gave it, and the same as one that died.
void take_over(const TestNetns& netns, int id) {
  auto ids = NetnsIds::open();
  REQUIRE(ids.ok());
  const Fd file(::open(netns.path().c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(*ids->give(file.get()) == id);
}

int id_of(const TestNetns& netns) {
  auto ids = NetnsIds::open();
  REQUIRE(ids.ok());
  const Fd file(::open(netns.path().c_str(), O_RDONLY | O_CLOEXEC));
  return ids->find(file.get())->value_or(os::no_netns_id);
}

void kill(std::optional<TestNetns>& netns) {
  const Fd sysctl = sysctl_in(*netns);
  netns.reset();
  REQUIRE(dies(sysctl));
}

TEST_CASE("the id of a dead netns says nothing of the next one that has it, until that is followed") {
  at_home([] {
    LinkWatcher watcher;
    std::optional<TestNetns> first(std::in_place, "first");
    REQUIRE(follow(watcher, first->path()));
    const int id = id_of(*first);
    kill(first);
    const TestNetns second("second");
    take_over(second, id);
    ip_in(second, "link add b0 type bridge");
    CHECK(told(watcher).netns.empty());
    REQUIRE(follow(watcher, second.path()));
    ip_in(second, "link add b1 type bridge");
    CHECK(told(watcher).netns == Inodes{inode_of(second.path())});
  });
}

TEST_CASE("a netns is told that was followed while the death of the one with its id had not been read") {
  at_home([] {
    LinkWatcher watcher;
    std::optional<TestNetns> first(std::in_place, "first");
    REQUIRE(follow(watcher, first->path()));
    const int id = id_of(*first);
    told(watcher);
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
    CHECK(told(watcher).netns == both);
    ip_in(second, "link add b1 type bridge");
    CHECK(told(watcher).netns == Inodes{inode_of(second.path())});
  });
}

TEST_CASE("the ids that other netns have for others are none of ours") {
  at_home([] {
    World world;
    // In the netns that is followed, somebody else has the number that it has here.
    std::optional<TestNetns> third(std::in_place, "third");
    const int id = id_of(world.netns);
    test::inside(world.netns.path(), [&] { take_over(*third, id); });
    kill(third);
    CHECK_FALSE(told(world.watcher).lost);
    ip_in(world.netns, "link add b0 type bridge");
    CHECK(told(world.watcher).netns == world.followed);
  });
}

void shrink_buffer(const LinkWatcher& watcher) {
  const int least = 1;
  REQUIRE(::setsockopt(watcher.fd(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least) == 0);
}

/// Takes the files for IPv6 of one interface away and makes them again: a message each time.
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
  at_home([] {
    World world;
    shrink_buffer(world.watcher);
    flood(world.netns, 20);
    const Told flooded = told(world.watcher);
    CHECK(flooded.lost);
    CHECK(flooded.netns == world.followed);
    ip_in(world.netns, "link add b0 type bridge");
    const Told seen = told(world.watcher);
    CHECK_FALSE(seen.lost);
    CHECK(seen.netns == world.followed);
  });
}

TEST_CASE("what is followed while there is no room is told later as well") {
  at_home([] {
    World world;
    shrink_buffer(world.watcher);
    flood(world.netns, 20);
    const TestNetns late("late");
    REQUIRE(follow(world.watcher, late.path()));
    CHECK(told(world.watcher).lost);
    ip_in(late, "link add b0 type bridge");
    CHECK(told(world.watcher).netns == Inodes{inode_of(late.path())});
  });
}

TEST_CASE("a batch is bounded, and says that there is more; the buffer has room for a thousand messages") {
  at_home([] {
    World world;
    flood(world.netns, 998);
    std::size_t events = 0;
    std::size_t batches = 1;
    os::LinkChanges changes = world.watcher.read();
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

/// In a thread of root that has only these capabilities.
void with_capabilities(std::uint64_t capabilities, const std::function<void()>& what) {
  test::inside("/proc/thread-self/ns/net", [&] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    REQUIRE(::syscall(SYS_capget, &header, sets.data()) == 0);
    sets[0].effective &= static_cast<std::uint32_t>(capabilities);
    sets[1].effective &= static_cast<std::uint32_t>(capabilities >> 32);
    REQUIRE(::syscall(SYS_capset, &header, sets.data()) == 0);
    what();
  });
}

constexpr std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }

TEST_CASE("without CAP_NET_BROADCAST it is down and says so, whatever other capabilities there are") {
  at_home([] {
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
  at_home([] {
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
    CHECK(told(*watcher).netns == Inodes{inode_of(known.path())});
  });
}

TEST_CASE("a link watcher without a free file is down, and comes up when there is one") {
  at_home([] {
    const TestNetns netns("late");
    const std::size_t limit = os::open_files_limit();
    REQUIRE(os::set_open_files_limit(3).ok());
    LinkWatcher watcher;
    const bool again = watcher.rearm();
    REQUIRE(os::set_open_files_limit(limit).ok());
    CHECK_FALSE(again);
    CHECK(watcher.problem().find("limit of open files") != std::string::npos);
    CHECK(watcher.rearm());
    CHECK_FALSE(watcher.rearm());
    CHECK(watcher.problem().empty());
    REQUIRE(follow(watcher, netns.path()));
    ip_in(netns, "link add b0 type bridge");
    CHECK(told(watcher).netns == Inodes{inode_of(netns.path())});
  });
}

}  // namespace
}  // namespace nswarden
