// SPDX-License-Identifier: Apache-2.0
// The host's own netns, which is governed only under its reserved name (kernel fact 7). The tests write nothing there.
#include <nswarden/netns/linux_catalog.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include <nswarden/netns/link_watcher.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "first_process.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::inode_of;
using test::Keys;

using Detail = NetnsCatalog::Detail;

constexpr std::uint16_t host = 1;  // index of the source

LinuxCatalog catalog_with_host() { return {{{NameKind::entry, test::netns_dir()}, {NameKind::host}}, Links::refuse}; }

/// Checks the listing, look_up(), and binding in each tier.
void check_that_host_is(const test::TestNetns& expected) {
  LinuxCatalog catalog = catalog_with_host();
  const std::uint64_t inode = inode_of(expected.path());
  for (const Detail detail : {Detail::names, Detail::full}) {
    Listing listing = catalog.list(detail);
    REQUIRE(listing.failures.empty());
    std::erase_if(listing.entries, [](const Entry& entry) { return entry.directory != host; });
    REQUIRE(listing.entries.size() == 1);
    CHECK(listing.entries[0].name == "host");
    CHECK(listing.entries[0].kind == EntryKind::nsfs);
    CHECK(listing.entries[0].inode == inode);
  }
  CHECK(catalog.look_up(host, "host").inode == inode);
  LinkWatcher links;
  catalog.set_link_watcher(&links);
  const Keys keys({"net.ipv4.tcp_keepalive_time"});
  test::write_sysctl(expected.path(), "net/ipv4/tcp_keepalive_time", "111");
  for (const Tier tier : test::all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const Binding bound = test::bind(catalog, "host", keys.key_requests(), tier, host);
    CHECK(bound.id.inode == inode);
    CHECK(bound.links_followed);
    CHECK(test::read_all(*bound.netns) == std::vector<std::string>{"111\n"});
  }
  test::inside(expected.path(), [] { test::add_bridge("b0"); });
  CHECK(links.read().netns == std::vector<std::uint64_t>{inode});
}

TEST_CASE("the host's netns has one name, with kind and inode, and is bound by it in each tier") {
  const test::TestNetns first("first");
  const test::FirstProcess process(first);
  SECTION("by a daemon that lives there") {
    test::inside(first.path(), [&first] { check_that_host_is(first); });
  }
  SECTION("by a daemon that lives elsewhere") { check_that_host_is(first); }
}

TEST_CASE("by any other name the host's netns stays refused, and so does our own where that is another") {
  const test::TestNetns first("first");
  const test::TestNetns home("home");
  const test::FirstProcess process(first);
  test::inside(home.path(), [] {
    LinuxCatalog catalog = catalog_with_host();
    for (const std::string name : {"first", "home"}) {
      CAPTURE(name);
      CHECK(test::refusal_of(catalog, name) == Refusal::host_netns);
    }
    CHECK(catalog.look_up(host, "other").kind == EntryKind::absent);
    CHECK(std::holds_alternative<Refusal>(catalog.bind(host, "other", {}, Tier::held)));
  });
}

TEST_CASE("by its own name it is refused too while that kind is not served") {
  const test::TestNetns first("first");
  const test::FirstProcess process(first);
  LinuxCatalog catalog = catalog_with_host();
  catalog.enable_kinds({NameKind::entry, NameKind::process});
  CHECK(catalog.list(Detail::full).entries.size() == 1);
  CHECK(catalog.look_up(host, "host").kind == EntryKind::absent);
  CHECK(test::refusal_of(catalog, "host", host) == Refusal::absent);
}

TEST_CASE("who cannot tell which netns is the host's names neither that nor those of processes, and says why") {
  const test::TestNetns home("home");
  const Fd netns(::open(home.path().c_str(), O_RDONLY | O_CLOEXEC));
  test::as_nobody(test::Keep::sys_admin, [&] {
    REQUIRE(::setns(netns.get(), CLONE_NEWNET) == 0);
    LinuxCatalog catalog({{NameKind::entry, test::netns_dir()}, {NameKind::host}, {NameKind::process}}, Links::refuse);
    REQUIRE_FALSE(catalog.host_is_known());
    const Listing listing = catalog.list(Detail::names);
    CHECK(listing.entries.size() == 1);  // home
    REQUIRE(listing.failures.size() == 2);
    CHECK(listing.failures[0].directory == 1);
    CHECK(listing.failures[1].directory == 2);
    for (const auto& [source, error] : listing.failures) {
      CHECK(error.code == EACCES);
      CHECK(std::string(error.attempt).find("/proc/1/ns/net") != std::string::npos);
    }
    CHECK(catalog.look_up(1, "host").kind == EntryKind::absent);
    const auto bound = catalog.bind(1, "host", {}, Tier::held);
    REQUIRE(std::holds_alternative<Error>(bound));
    CHECK(std::get<Error>(bound).code == EACCES);
  });
}

TEST_CASE("who is in the kernel's first netns knows it without looking at process 1, since Linux 6.18") {
  if (inode_of("/proc/thread-self/ns/net") != 0xEFFFFFF9) {
    WARN("skipped: we are not in the kernel's first netns, or it has no fixed number");
    return;
  }
  test::netns_dir();
  test::as_nobody(test::Keep::sys_admin, [] {
    LinuxCatalog catalog = catalog_with_host();
    const Keys keys({"net.ipv4.ip_forward"});
    const Binding bound = test::bind(catalog, "host", keys.key_requests(), Tier::transient, host);
    CHECK(bound.id.inode == 0xEFFFFFF9);
    CHECK(bound.netns->read().ok());
  });
}

}  // namespace
}  // namespace nswarden
