// SPDX-License-Identifier: Apache-2.0
// Identity of a bound netns on the real kernel: a binding always refers to the same netns and does not extend its life.
#include "netns/bound_netns.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nswarden/netns/linux_catalog.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::all_tiers;
using test::Keys;
using test::read_all;
using Strings = std::vector<std::string>;

TEST_CASE("binding keeps nothing alive: the netns dies with its last name (kernel fact 5)") {
  LinuxCatalog catalog({test::netns_dir()});
  const Keys keys({"net.ipv4.ip_forward", "net.ipv4.tcp_rmem", "net.netfilter.nf_conntrack_tcp_loose", "net.mptcp.enabled",
                   "net.ipv4.no_such_key"});
  for (const Tier tier : all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const std::string path = test::netns_dir() + "/mortal";
    test::make_netns(path);
    const Binding bound = test::bind(catalog, "mortal", keys.key_requests(), tier);
    REQUIRE(bound.netns->read().ok());
    REQUIRE(bound.netns->find_missing().ok());
    REQUIRE(bound.netns->write(0, "1").ok());
    const Fd witness = test::open_sysctl(path, "net/ipv4/tcp_keepalive_time", O_RDONLY);
    char byte = 0;
    REQUIRE(::pread(witness.get(), &byte, 1, 0) == 1);
    test::remove_netns(path);
    // The kernel's single cleanup worker may be busy with netns of other processes; a netns that is kept alive never dies
    // (kernel fact 66).
    CHECK(test::eventually([&] { return ::pread(witness.get(), &byte, 1, 0) == -1 && errno == ENOENT; },
                           std::chrono::seconds(20)));
    // One key requires entering the netns even in the held tier, so its name is looked up and not found.
    CHECK(read_all(*bound.netns) == Strings{"error " + std::to_string(ESTALE)});
    CHECK(test::error_of(bound.netns->find_missing()) == ESTALE);
  }
}

TEST_CASE("the keys of a dead netns vanish, and a missing one stays missing") {
  LinuxCatalog catalog({test::netns_dir()});
  const Keys keys({"net.ipv4.ip_forward", "net.ipv4.no_such_key"});
  const std::string path = test::netns_dir() + "/mortal";
  test::make_netns(path);
  const Binding bound = test::bind(catalog, "mortal", keys.key_requests(), Tier::held);
  test::remove_netns(path);
  CHECK(test::eventually([&] { return read_all(*bound.netns) == Strings{"vanished", "missing"}; }));
  CHECK(test::error_of(bound.netns->write(0, "1")) == ENOENT);
}

TEST_CASE("another netns mounted over the name is never taken for the bound one") {
  LinuxCatalog catalog({test::netns_dir()});
  const Keys keys({"net.ipv4.ip_forward", "net.ipv4.no_such_key"});
  for (const Tier tier : all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const std::string path = test::netns_dir() + "/covered";
    test::make_netns(path);
    const Binding bound = test::bind(catalog, "covered", keys.key_requests(), tier);
    test::make_netns(path);  // on top; the first netns stays mounted below
    CHECK(test::error_of(bound.netns->find_missing()) == ESTALE);
    if (tier == Tier::held) {
      CHECK(bound.netns->write(0, "1").ok());
      CHECK(read_all(*bound.netns) == Strings{"1\n", "missing"});
    } else {
      CHECK(test::error_of(bound.netns->write(0, "1")) == ESTALE);
      CHECK(read_all(*bound.netns) == Strings{"error " + std::to_string(ESTALE)});
    }
    CHECK(test::read_sysctl(path, "net/ipv4/ip_forward") == "0\n");
    test::unmount(path);
    CHECK(bound.netns->find_missing().ok());
    CHECK(read_all(*bound.netns).size() == 2);
    test::remove_netns(path);
  }
}

TEST_CASE("a netns that got the name and the inode number of a dead one is told by its cookie (kernel fact 4)") {
  const Keys keys({"net.ipv4.ip_forward", "net.ipv4.no_such_key"});
  const std::string path = test::netns_dir() + "/reborn";
  const auto check = [&] {
    LinuxCatalog catalog({test::netns_dir()});
    for (const Tier tier : all_tiers) {
      CAPTURE(static_cast<int>(tier));
      std::map<std::uint64_t, Binding> lives;
      std::uint64_t inode = 0;
      const bool recreated = test::eventually([&] {
        test::remove_netns(path);
        test::make_netns(path);
        inode = catalog.look_up(0, "reborn").inode;
        if (lives.count(inode) != 0) return true;
        lives.emplace(inode, test::bind(catalog, "reborn", keys.key_requests(), tier));
        return false;
      });
      REQUIRE(recreated);
      const Binding& dead = lives.at(inode);
      CHECK(test::error_of(dead.netns->find_missing()) == ESTALE);
      const Strings gone =
          tier == Tier::transient ? Strings{"error " + std::to_string(ESTALE)} : Strings{"vanished", "missing"};
      CHECK(read_all(*dead.netns) == gone);
      CHECK_FALSE(dead.netns->write(0, "1").ok());
      CHECK(test::read_sysctl(path, "net/ipv4/ip_forward") == "0\n");
      test::remove_netns(path);
    }
  };
  SECTION("which Linux 6.18 tells of the file") { check(); }
  SECTION("which Linux 5.14 tells inside") { test::on_older_kernel(check); }
  SECTION("or, without cookies, by its birth") { test::on_older_kernel(check, test::Cookies::none); }
}

TEST_CASE("without NS_GET_ID and openat2, a netns has the same identity and the same readings") {
  test::NetnsWithKeys world(
      {"net.ipv4.ip_forward", "net.ipv4.tcp_rmem", "net.ipv4.tcp_allowed_congestion_control", "net.ipv4.no_such_key"});
  for (const Tier tier : all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const Binding here = world.bind(tier);
    const Strings expected = read_all(*here.netns);
    test::on_older_kernel([&] {
      LinuxCatalog older({test::netns_dir()});
      const Binding there = test::bind(older, world.netns.name(), world.keys.key_requests(), tier);
      CHECK(there.id == here.id);
      CHECK(read_all(*there.netns) == expected);
      CHECK(*there.netns->find_missing() == 0);
    });
  }
}

TEST_CASE("without cookies, a living file proves that a netns with another birth is the bound one") {
  const Keys keys({"net.ipv4.ip_forward", "net.ipv4.no_such_key"});
  test::on_older_kernel(
      [&] {
        const auto shared = std::make_shared<CatalogShared>();
        for (const Tier tier : all_tiers) {
          CAPTURE(static_cast<int>(tier));
          const test::TestNetns other;
          const std::string path = test::netns_dir() + "/old-kernel";
          test::make_netns(path);
          const auto inode_of = [&](const std::string& entry) { return inspect({entry}, shared->home).inode; };
          // Simulates a dead netns whose name and inode number were reused by another.
          LinuxNetns outlived(shared, {other.path(), Links::follow}, {has_no_cookie | 1U, inode_of(other.path())},
                              keys.key_requests(), tier);
          {
            const auto scope = NetnsScope::enter(Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)).get(), shared->home);
            REQUIRE(scope.ok());
            REQUIRE(outlived.open_inside().ok());
          }
          CHECK(outlived.find_missing().ok());
          test::remove_netns(path);
          CHECK(test::eventually([&] { return !outlived.find_missing().ok(); }));
          CHECK(test::error_of(outlived.find_missing()) == ESTALE);
        }
      },
      test::Cookies::none);
}

TEST_CASE("without cookies, the identity stays while the name is mounted, and differs between netns (kernel fact 42)") {
  const Keys keys({"net.ipv4.ip_forward"});
  test::on_older_kernel(
      [&] {
        LinuxCatalog catalog({test::netns_dir()});
        const test::TestNetns one("one");
        const test::TestNetns two("two");
        const auto id_of = [&](const char* name) { return test::bind(catalog, name, keys.key_requests(), Tier::transient).id; };
        const NetnsId first = id_of("one");
        CHECK((first.cookie & has_no_cookie) != 0);
        CHECK(id_of("one") == first);
        CHECK(id_of("two").cookie != first.cookie);
        LinuxCatalog later({test::netns_dir()});
        CHECK(test::bind(later, "one", keys.key_requests(), Tier::held).id == first);
      },
      test::Cookies::none);
}

TEST_CASE("a key that stays refused does not hide that the name is another netns', nor spoil the other keys") {
  LinuxCatalog catalog({test::netns_dir()});
  const Keys keys({"net.ipv4.ip_forward", "net.ipv4.route.flush", "net.netfilter.nf_conntrack_max", "net.ipv4.conf.all"});
  const std::string path = test::netns_dir() + "/covered";
  test::make_netns(path);
  const Binding bound = test::bind(catalog, "covered", keys.key_requests(), Tier::held);
  test::make_netns(path);
  const Strings values = read_all(*bound.netns);
  REQUIRE(values.size() == 4);
  CHECK(values[0] == "0\n");
  CHECK(values[3] == "unreadable " + std::to_string(EISDIR));
  CHECK(values[1] == "unreadable " + std::to_string(EACCES));
  CHECK(bound.netns->write(0, "1").ok());
  CHECK(bound.netns->write(1, "1").ok());
  CHECK(test::error_of(bound.netns->write(2, "1")) == ESTALE);
  CHECK(test::read_sysctl(path, "net/ipv4/ip_forward") == "0\n");
  test::remove_netns(path);
}

}  // namespace
}  // namespace nswarden
