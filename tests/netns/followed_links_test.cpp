// SPDX-License-Identifier: Apache-2.0
// Symbolic links in place of netns files, with following of links enabled.
#include <nswarden/netns/linux_catalog.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <nswarden/netns/link_watcher.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "first_process.hpp"
#include "private_netns.hpp"
#include "writer_process.hpp"

namespace nswarden {
namespace {

using test::Keys;

using Detail = NetnsCatalog::Detail;

LinuxCatalog following(const std::string& directory) { return {{{NameKind::entry, directory}}, Links::follow}; }

void link(const std::string& target, const std::string& path) { REQUIRE(::symlink(target.c_str(), path.c_str()) == 0); }

/// Checks that look_up() and a listing of names alone agree about a link.
Entry seen(LinuxCatalog& catalog, const std::string& name) {
  const Entry looked = catalog.look_up(0, name);
  for (const Detail detail : {Detail::names, Detail::full}) {
    const Listing listing = catalog.list(detail);
    REQUIRE(listing.failures.empty());
    const auto found = std::find_if(listing.entries.begin(), listing.entries.end(),
                                    [&name](const Entry& entry) { return entry.name == name; });
    REQUIRE((found != listing.entries.end()) == (looked.kind != EntryKind::absent));
    if (found == listing.entries.end()) continue;
    CHECK(found->kind == looked.kind);
    CHECK(found->inode == looked.inode);
  }
  return looked;
}

TEST_CASE("a link counts as what it leads to, and the netns is bound through it in each tier") {
  const test::TempDir dir;
  const test::TestNetns netns("target");
  link(netns.path(), dir / "one");
  link("one", dir / "two");
  LinuxCatalog catalog = following(dir.path());
  const Keys keys({"net.ipv4.ip_forward"});
  for (const std::string name : {"one", "two"}) {
    CHECK(seen(catalog, name).kind == EntryKind::nsfs);
    for (const Tier tier : test::all_tiers) {
      CAPTURE(name, static_cast<int>(tier));
      const Binding bound = test::bind(catalog, name, keys.key_requests(), tier);
      CHECK(bound.id.inode == catalog.look_up(0, name).inode);
      CHECK(test::read_all(*bound.netns) == std::vector<std::string>{"0\n"});
    }
  }
}

TEST_CASE("a link to a process's netns is one, and keeps nothing alive") {
  const test::TempDir dir;
  test::WriterProcess process([] { return ::unshare(CLONE_NEWNET) == 0; });
  const std::string path = "/proc/" + std::to_string(process.pid()) + "/ns/net";
  link(path, dir / "process");
  LinuxCatalog catalog = following(dir.path());
  CHECK(seen(catalog, "process").kind == EntryKind::nsfs);
  const Keys keys({"net.ipv4.ip_forward"});
  const Binding bound = test::bind(catalog, "process", keys.key_requests(), Tier::held);
  const Fd file = test::open_sysctl(path, "net/ipv4/ip_forward", O_RDONLY);
  process.end();
  CHECK(test::dies(file));
  CHECK(seen(catalog, "process").kind == EntryKind::other);
}

TEST_CASE("a link that is made to lead elsewhere is another netns, and what was bound by it says so") {
  const test::TempDir dir;
  const test::TestNetns first("first");
  const test::TestNetns second("second");
  link(first.path(), dir / "current");
  LinuxCatalog catalog = following(dir.path());
  const Keys keys({"net.ipv4.ip_forward"});
  const Binding bound = test::bind(catalog, "current", keys.key_requests(), Tier::transient);
  link(second.path(), dir / "next");
  REQUIRE(::rename((dir / "next").c_str(), (dir / "current").c_str()) == 0);
  CHECK(seen(catalog, "current").inode != bound.id.inode);
  CHECK(test::read_all(*bound.netns) == std::vector<std::string>{"error " + std::to_string(ESTALE)});
}

TEST_CASE("links to what is no netns, to nothing, or in circles are no errors, and nothing behind them is opened") {
  const test::TempDir dir;
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  test::write_file(dir / "empty", "");
  link("fifo", dir / "to-fifo");
  link("empty", dir / "to-empty");
  link("nowhere", dir / "dangling");
  link("empty/below", dir / "through-file");
  link("loop", dir / "loop");
  link("/dev/null", dir / "to-device");
  link("/proc/self/ns/uts", dir / "to-uts");
  LinuxCatalog catalog = following(dir.path());
  for (const std::string name : {"to-fifo", "dangling", "through-file", "loop", "to-device"}) {
    CAPTURE(name);
    CHECK(seen(catalog, name).kind == EntryKind::other);
    CHECK(test::refusal_of(catalog, name) == Refusal::not_a_netns);
  }
  CHECK(seen(catalog, "to-empty").kind == EntryKind::placeholder);
  CHECK(test::refusal_of(catalog, "to-empty") == Refusal::not_ready);
  CHECK(seen(catalog, "to-uts").kind == EntryKind::nsfs);
  CHECK(test::refusal_of(catalog, "to-uts") == Refusal::not_a_netns);
  CHECK(seen(catalog, "absent").kind == EntryKind::absent);
  CHECK(test::refusal_of(catalog, "absent") == Refusal::absent);
}

TEST_CASE("a dangling link is a netns as soon as its target is there") {
  const test::TempDir dir;
  link(test::netns_dir() + "/later", dir / "early");
  LinuxCatalog catalog = following(dir.path());
  CHECK(seen(catalog, "early").kind == EntryKind::other);
  const test::TestNetns netns("later");
  CHECK(seen(catalog, "early").kind == EntryKind::nsfs);
}

TEST_CASE("a link to the host's netns is refused like any other name of it (kernel fact 7)") {
  const test::TempDir dir;
  const test::TestNetns first("first");
  const test::FirstProcess process(first);
  link("/proc/1/ns/net", dir / "host");
  link("/proc/self/ns/net", dir / "own");
  LinuxCatalog catalog = following(dir.path());
  for (const std::string name : {"host", "own"}) {
    CHECK(test::refusal_of(catalog, name) == Refusal::host_netns);
  }
}

TEST_CASE("interfaces of what is bound are told when somebody is told of them, and not otherwise") {
  const test::TestNetns netns("bound");
  LinuxCatalog catalog({test::netns_dir()});
  CHECK_FALSE(test::bind(catalog, "bound", {}, Tier::held).links_followed);
  LinkWatcher links;
  catalog.set_link_watcher(&links);
  const Binding bound = test::bind(catalog, "bound", {}, Tier::held);
  CHECK(bound.links_followed);
  test::inside(netns.path(), [] { test::add_bridge("b0"); });
  CHECK(links.read().netns == std::vector<std::uint64_t>{bound.id.inode});
  catalog.set_link_watcher(nullptr);
  CHECK_FALSE(test::bind(catalog, "bound", {}, Tier::held).links_followed);
}

}  // namespace
}  // namespace nswarden
