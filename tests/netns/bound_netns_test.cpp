// SPDX-License-Identifier: Apache-2.0
// Bound netns on the real kernel: reads and writes in each tier, with different privileges.
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/os/process.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "open_files.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::all_tiers;
using test::Keys;
using test::read_all;
using Strings = std::vector<std::string>;

std::size_t open_fds() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

/// A port list of exactly `length` bytes without the newline, which the kernel prints back unchanged.
std::string ports(std::size_t length) {
  std::string text = length % 6 == 0 ? "1,1111" : std::string(length % 6, '1');
  for (int port = 20001; text.size() < length; port += 2) text += "," + std::to_string(port);
  REQUIRE(text.size() == length);
  return text;
}

/// MPTCP's keys are written inside the netns (kernel fact 14); not every kernel has them.
bool has_mptcp() { return std::filesystem::exists("/proc/sys/net/mptcp/enabled"); }

TEST_CASE("all tiers read the same") {
  test::NetnsWithKeys world({"net.netfilter.nf_conntrack_tcp_loose", "net.ipv4.tcp_rmem", "net.ipv4.no_such_key",
                             "net.no_family.key", "net.ipv4.conf.all.rp_filter", "net.ipv6.conf.lo.stable_secret",
                             "net.ipv4.route.flush", "net.ipv4.conf.all", "net.unix.max_dgram_qlen", "net.mptcp.enabled",
                             "net.ipv4.tcp_allowed_congestion_control", "net.ipv4.conf.no_such_interface.rp_filter"});
  test::write_sysctl(world.netns.path(), "net/ipv4/conf/all/rp_filter", "2");
  const Strings expected{"1\n",
                         test::read_sysctl(world.netns.path(), "net/ipv4/tcp_rmem"),
                         "missing",
                         "missing",
                         "2\n",
                         "unreadable " + std::to_string(EIO),
                         "unreadable " + std::to_string(EACCES),
                         "unreadable " + std::to_string(EISDIR),
                         test::read_sysctl(world.netns.path(), "net/unix/max_dgram_qlen"),
                         has_mptcp() ? "1\n" : "missing",
                         test::read_sysctl(world.netns.path(), "net/ipv4/tcp_allowed_congestion_control"),
                         "missing"};
  world.in_each_tier([&](const Binding& bound, Tier) {
    CHECK(read_all(*bound.netns) == expected);
    CHECK(read_all(*bound.netns) == expected);
  });
}

TEST_CASE("keys that are only read are read the same in all tiers") {
  LinuxCatalog catalog({test::netns_dir()});
  const test::TestNetns netns;
  Keys keys({"net.ipv4.ip_forward", "net.ipv4.route.flush", "net.ipv4.tcp_allowed_congestion_control"});
  keys.read_only();
  for (const Tier tier : all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const Binding bound = test::bind(catalog, netns.name(), keys.key_requests(), tier);
    const Strings values = read_all(*bound.netns);
    CHECK(values[0] == "0\n");
    CHECK(values[1] == "unreadable " + std::to_string(EACCES));
    CHECK(values[2] == test::read_sysctl(netns.path(), "net/ipv4/tcp_allowed_congestion_control"));
  }
}

TEST_CASE("a value is read whole, however long it is (kernel fact 12)") {
  test::NetnsWithKeys world({"net.ipv4.ip_forward", "net.ipv4.ip_local_reserved_ports"});
  world.in_each_tier([&](const Binding& bound, Tier tier) {
    for (const std::size_t length : {1U, 125U, 126U, 127U, 128U, 300U, 4093U, 4094U}) {
      CAPTURE(static_cast<int>(tier), length);
      const std::string value = ports(length);
      REQUIRE(bound.netns->write(1, value).ok());
      CHECK(read_all(*bound.netns) == Strings{"0\n", value + "\n"});
    }
    REQUIRE(bound.netns->write(1, "\n").ok());
  });
}

TEST_CASE("what is read stays valid while further netns are bound") {
  test::NetnsWithKeys world({"net.ipv4.ip_forward", "net.netfilter.nf_conntrack_tcp_loose"});
  const Binding bound = world.bind(Tier::held);
  const auto readings = bound.netns->read();
  REQUIRE(readings.ok());
  CHECK((*readings)[0].bytes == "0\n");
  CHECK((*readings)[1].bytes == "1\n");
}

TEST_CASE("a held fd reads and writes the netns in which it was opened, from anywhere (kernel fact 12)") {
  LinuxCatalog catalog({test::netns_dir()});
  const test::TestNetns one;
  const test::TestNetns two;
  const Keys keys({"net.ipv4.ip_forward"});
  for (const Tier tier : all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const Binding first = test::bind(catalog, one.name(), keys.key_requests(), tier);
    const Binding second = test::bind(catalog, two.name(), keys.key_requests(), tier);
    REQUIRE(first.netns->write(0, "1").ok());
    CHECK(read_all(*first.netns) == Strings{"1\n"});
    CHECK(read_all(*second.netns) == Strings{"0\n"});
    CHECK(test::read_sysctl(one.path(), "net/ipv4/ip_forward") == "1\n");
    // Repeated writes work; a second write(2) on one fd would not.
    REQUIRE(first.netns->write(0, "0").ok());
    CHECK(read_all(*first.netns) == Strings{"0\n"});
  }
}

TEST_CASE("a short count is a success, and reading tells what was stored (kernel fact 28)") {
  test::NetnsWithKeys world({"net.ipv4.conf.all.rp_filter"});
  world.in_each_tier([&](const Binding& bound, Tier) {
    REQUIRE(bound.netns->write(0, "0").ok());
    CHECK(bound.netns->write(0, "1 2 3").ok());
    CHECK(read_all(*bound.netns) == Strings{"1\n"});
  });
}

TEST_CASE("a write that fails says why, in each tier (kernel facts 29, 30)") {
  test::NetnsWithKeys world({"net.ipv4.tcp_congestion_control", "net.netfilter.nf_conntrack_max", "net.ipv4.no_such_key",
                             "net.ipv4.ip_forward", "net.ipv4.route.flush"});
  world.in_each_tier([&](const Binding& bound, Tier) {
    CHECK(test::error_of(bound.netns->write(0, "no-such-algorithm")) == ENOENT);
    CHECK(test::error_of(bound.netns->write(1, "65536")) == EACCES);
    CHECK(test::error_of(bound.netns->write(2, "1")) == ENOENT);
    CHECK(test::error_of(bound.netns->write(3, "yes")) == EINVAL);
    CHECK(bound.netns->write(4, "1").ok());
    // The failed writes do not affect reads.
    CHECK(read_all(*bound.netns)[3] == "0\n");
  });
}

TEST_CASE("a key that was missing is found when it appears, and vanishes with its interface (kernel facts 31, 38)") {
  LinuxCatalog catalog({test::netns_dir()});
  const Keys keys({"net.ipv4.ip_forward", "net.ipv4.conf.br0.rp_filter"});
  for (const Tier tier : all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const test::TestNetns netns;
    const Binding bound = test::bind(catalog, netns.name(), keys.key_requests(), tier);
    CHECK(read_all(*bound.netns) == Strings{"0\n", "missing"});
    CHECK(*bound.netns->find_missing() == 0);
    test::inside(netns.path(), [] { test::add_bridge("br0"); });
    CHECK(read_all(*bound.netns) == Strings{"0\n", "missing"});
    CHECK(*bound.netns->find_missing() == 1);
    CHECK(*bound.netns->find_missing() == 0);
    CHECK(read_all(*bound.netns) == Strings{"0\n", "0\n"});
    REQUIRE(bound.netns->write(1, "2").ok());
    CHECK(read_all(*bound.netns) == Strings{"0\n", "2\n"});
    test::inside(netns.path(), [] { test::remove_bridge("br0"); });
    CHECK(read_all(*bound.netns) == Strings{"0\n", "vanished"});
  }
}

TEST_CASE("the number of fds is the tier's: one a key, one a family, none (kernel fact 20)") {
  test::NetnsWithKeys world(
      {"net.ipv4.ip_forward", "net.netfilter.nf_conntrack_tcp_loose", "net.ipv4.conf.all.rp_filter", "net.ipv4.no_such_key"});
  constexpr std::array<std::size_t, 3> expected{3, 2, 0};
  for (const Tier tier : all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const std::size_t before = open_fds();
    {
      const Binding bound = world.bind(tier);
      CHECK(bound.fds == expected[static_cast<std::size_t>(tier)]);
      CHECK(open_fds() - before == bound.fds);
      REQUIRE(bound.netns->read().ok());
      CHECK(open_fds() - before == bound.fds);
    }
    CHECK(open_fds() == before);
  }
}

TEST_CASE("when the limit of open files is met, nothing stays open, and a lower tier still fits (kernel fact 20)") {
  test::NetnsWithKeys world({"net.ipv4.ip_forward", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_sack",
                             "net.ipv4.tcp_ecn", "net.ipv4.tcp_timestamps"});
  const std::size_t before = open_fds();
  const std::size_t old_limit = open_files_limit();
  // Iterating used one fd itself. Four more than are open suffice to enter the netns, but not for six keys.
  REQUIRE(test::set_open_files_limit(before - 1 + 4).ok());
  const BindResult held = world.catalog.bind(0, world.netns.name(), world.keys.key_requests(), Tier::held);
  const BindResult transient = world.catalog.bind(0, world.netns.name(), world.keys.key_requests(), Tier::transient);
  REQUIRE(test::set_open_files_limit(old_limit).ok());
  REQUIRE(std::holds_alternative<Error>(held));
  CHECK(std::get<Error>(held).code == EMFILE);
  REQUIRE(std::holds_alternative<Binding>(transient));
  CHECK(read_all(*std::get<Binding>(transient).netns).front() == "0\n");
  CHECK(open_fds() == before);
}

TEST_CASE("a key that was refused at bind is read and written once it is allowed") {
  const test::TestNetns netns;
  const Keys keys({"net.ipv4.ip_forward", "net.ipv4.tcp_fastopen_key", "net.ipv4.conf.all"});
  const Strings refused{"0\n", "unreadable " + std::to_string(EACCES), "unreadable " + std::to_string(EISDIR)};
  for (const Tier tier : all_tiers) {
    CAPTURE(static_cast<int>(tier));
    std::unique_ptr<LinuxCatalog> catalog;
    Binding bound;
    // SYS_ADMIN alone permits entering, but neither writing nor reading files restricted to their owner.
    test::as_nobody(test::Keep::sys_admin, [&] {
      catalog = std::make_unique<LinuxCatalog>(std::vector<std::string>{test::netns_dir()});
      bound = test::bind(*catalog, netns.name(), keys.key_requests(), tier);
      CHECK(read_all(*bound.netns) == refused);
      CHECK(read_all(*bound.netns) == refused);
      CHECK(test::error_of(bound.netns->write(0, "1")) == EACCES);
      CHECK(test::error_of(bound.netns->write(0, "1")) == EACCES);
      CHECK(read_all(*bound.netns) == refused);
    });
    const std::size_t before = open_fds();
    CHECK(bound.netns->write(0, "1").ok());
    CHECK(test::read_sysctl(netns.path(), "net/ipv4/ip_forward") == "1\n");
    const Strings now = read_all(*bound.netns);
    CHECK(now[0] == "1\n");
    CHECK(now[1] == test::read_sysctl(netns.path(), "net/ipv4/tcp_fastopen_key"));
    CHECK(now[2] == refused[2]);
    CHECK(open_fds() == before + (tier == Tier::held ? 1 : 0));
    REQUIRE(bound.netns->write(0, "0").ok());
  }
}

TEST_CASE("a key is repaired once /proc/sys that was read-only is writable") {
  const test::TestNetns netns;
  const Keys keys({"net.ipv4.ip_forward", has_mptcp() ? "net.mptcp.enabled" : "net.ipv4.tcp_sack"});
  REQUIRE(::mount("/proc/sys", "/proc/sys", nullptr, MS_BIND, nullptr) == 0);
  const auto remount = [](unsigned long flags) {
    return ::mount("none", "/proc/sys", nullptr, MS_REMOUNT | MS_BIND | flags, nullptr) == 0;
  };
  for (const Tier tier : all_tiers) {
    CAPTURE(static_cast<int>(tier));
    REQUIRE(remount(MS_RDONLY));
    LinuxCatalog catalog({test::netns_dir()});
    const Binding bound = test::bind(catalog, netns.name(), keys.key_requests(), tier);
    CHECK(test::error_of(bound.netns->write(0, "1")) == EROFS);
    CHECK(test::error_of(bound.netns->write(1, "0")) == EROFS);
    REQUIRE(remount(0));
    CHECK(bound.netns->write(0, "1").ok());
    CHECK(bound.netns->write(1, "0").ok());
    CHECK(read_all(*bound.netns) == Strings{"1\n", "0\n"});
    CHECK(bound.netns->write(0, "0").ok());
    CHECK(bound.netns->write(1, "1").ok());
    CHECK(read_all(*bound.netns) == Strings{"0\n", "1\n"});
  }
  test::unmount("/proc/sys");
}

TEST_CASE("a daemon that is not root but has SYS_ADMIN and NET_ADMIN binds, reads and writes (kernel fact 22)") {
  const test::TestNetns netns;
  const Keys keys({"net.ipv4.ip_forward"});
  Strings read;
  bool written = false;
  test::as_nobody(test::Keep::net_admin, [&] {
    LinuxCatalog catalog({test::netns_dir()});
    CHECK(catalog.may_enter().ok());
    const Binding bound = test::bind(catalog, netns.name(), keys.key_requests(), Tier::held);
    written = bound.netns->write(0, "1").ok();
    read = read_all(*bound.netns);
  });
  CHECK(written);
  CHECK(read == Strings{"1\n"});
}

TEST_CASE("with SYS_ADMIN alone one may read but not write, and the attempt says so (kernel fact 22)") {
  const test::TestNetns netns;
  const Keys keys({"net.ipv4.ip_forward"});
  test::as_nobody(test::Keep::sys_admin, [&] {
    LinuxCatalog catalog({test::netns_dir()});
    const Binding bound = test::bind(catalog, netns.name(), keys.key_requests(), Tier::held);
    CHECK(test::error_of(bound.netns->write(0, "1")) == EACCES);
    CHECK(read_all(*bound.netns) == Strings{"0\n"});
  });
}

TEST_CASE("credentials count at each write, not only when the file was opened (kernel fact 22)") {
  test::NetnsWithKeys world({"net.ipv4.ip_forward"});
  const Binding bound = world.bind(Tier::held);
  test::as_nobody(test::Keep::nothing, [&] { CHECK(test::error_of(bound.netns->write(0, "1")) == EPERM); });
  CHECK(bound.netns->write(0, "1").ok());
}

}  // namespace
}  // namespace nswarden
