// SPDX-License-Identifier: Apache-2.0
// Netns without an entry, found through their processes. Other programs of this machine may be in further such netns.
#include <nswarden/netns/linux_catalog.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <nswarden/netns/link_watcher.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "first_process.hpp"
#include "netns/netns_entry.hpp"
#include "private_netns.hpp"
#include "writer_process.hpp"

namespace nswarden {
namespace {

using test::inode_of;
using test::Keys;
using test::WriterProcess;

using Detail = NetnsCatalog::Detail;

constexpr std::uint16_t processes = 1;  // index of the source

LinuxCatalog catalog_of_processes() { return {{{NameKind::entry, test::netns_dir()}, {NameKind::process}}, Links::refuse}; }

std::unique_ptr<WriterProcess> in_new_netns() {
  return std::make_unique<WriterProcess>(
      [] { return ::unshare(CLONE_NEWNET) == 0 && test::put("/proc/sys/net/ipv4/ip_forward", "0"); });
}

std::string path_of(const WriterProcess& process) { return "/proc/" + std::to_string(process.pid()) + "/ns/net"; }

std::unique_ptr<WriterProcess> beside(const WriterProcess& other) {
  return std::make_unique<WriterProcess>([path = path_of(other)] { return test::enter_netns(path); });
}

std::string name_of(const WriterProcess& process) { return ProcessNetns::name_of(inode_of(path_of(process))); }

std::vector<Entry> listed(LinuxCatalog& catalog, std::string_view name, Detail detail = Detail::names) {
  Listing listing = catalog.list(detail);
  REQUIRE(listing.failures.empty());
  std::erase_if(listing.entries, [name](const Entry& entry) { return entry.name != name; });
  return std::move(listing.entries);
}

TEST_CASE("a name of a process's netns is what /proc shows, and nothing else is one") {
  CHECK(ProcessNetns::name_of(4026532000) == "net:[4026532000]");
  CHECK(ProcessNetns::inode_of("net:[4026532000]") == 4026532000);
  for (const std::string name : {"", "net:[]", "net:[", "net:[0]", "net:[01]", "net:[-1]", "net:[+1]", "net:[1] ", "net:[1x]",
                                 "net:[99999999999999999999]", "mnt:[1]", "net:[ 1]"}) {
    CAPTURE(name);
    CHECK(ProcessNetns::inode_of(name) == 0);
  }
}

TEST_CASE("a netns that only processes are in is listed once, with kind and inode, and can be looked at and bound") {
  LinuxCatalog catalog = catalog_of_processes();
  const auto first = in_new_netns();
  const auto second = beside(*first);
  const std::string name = name_of(*first);
  for (const Detail detail : {Detail::names, Detail::full}) {
    const auto entries = listed(catalog, name, detail);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].directory == processes);
    CHECK(entries[0].kind == EntryKind::nsfs);
    CHECK(entries[0].inode == inode_of(path_of(*first)));
  }
  const Entry looked = catalog.look_up(processes, name);
  CHECK(looked.kind == EntryKind::nsfs);
  CHECK(looked.inode == inode_of(path_of(*first)));
  CHECK(catalog.look_up(0, name).kind == EntryKind::absent);
  const Keys keys({"net.ipv4.ip_forward"});
  for (const Tier tier : test::all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const Binding bound = test::bind(catalog, name, keys.key_requests(), tier, processes);
    CHECK(bound.id.inode == looked.inode);
    CHECK(bound.id.cookie != 0);
    const std::string value = tier == Tier::directories ? "0" : "1";
    REQUIRE(bound.netns->write(0, value).ok());
    CHECK(test::read_all(*bound.netns) == std::vector<std::string>{value + "\n"});
    CHECK(test::read_sysctl(path_of(*first), "net/ipv4/ip_forward") == value + "\n");
  }
}

TEST_CASE("our own netns and the host's are no netns of processes") {
  const test::TestNetns home("home");
  const test::TestNetns host("host");
  const test::FirstProcess first(host);
  const WriterProcess there([&host] { return test::enter_netns(host.path()); });
  test::inside(home.path(), [&] {
    const WriterProcess here([] { return true; });
    LinuxCatalog catalog = catalog_of_processes();
    for (const std::string& name : {name_of(here), name_of(there)}) {
      CHECK(listed(catalog, name).empty());
      CHECK(test::refusal_of(catalog, name, processes) == Refusal::host_netns);
    }
  });
}

TEST_CASE("when the process goes elsewhere, others that were seen lead to the netns; when none is left it is absent") {
  LinuxCatalog catalog = catalog_of_processes();
  auto first = in_new_netns();
  auto second = beside(*first);
  const std::string name = name_of(*first);
  const Keys keys({"net.ipv4.ip_forward"});
  CHECK(catalog.look_up(processes, name).kind == EntryKind::absent);
  REQUIRE(listed(catalog, name).size() == 1);
  const Binding bound = test::bind(catalog, name, keys.key_requests(), Tier::transient, processes);

  first->run_again();  // into another netns of its own
  CHECK(name_of(*first) != name);
  CHECK(catalog.look_up(processes, name).kind == EntryKind::nsfs);
  CHECK(std::holds_alternative<Binding>(catalog.bind(processes, name, keys.key_requests(), Tier::held)));
  // It was bound through the first process.
  CHECK(test::read_all(*bound.netns) == std::vector<std::string>{"error " + std::to_string(ESTALE)});

  second->end();
  CHECK(catalog.look_up(processes, name).kind == EntryKind::absent);
  CHECK(test::refusal_of(catalog, name, processes) == Refusal::absent);
  CHECK(listed(catalog, name).empty());
}

TEST_CASE("zombies and processes that may not be looked at are left out") {
  LinuxCatalog catalog = catalog_of_processes();
  const auto process = in_new_netns();
  const std::string name = name_of(*process);
  test::as_nobody(test::Keep::sys_admin, [&] {
    ProcessNetns netns;
    const auto inodes = netns.scan();
    REQUIRE(inodes.ok());
    CHECK(std::find(inodes->begin(), inodes->end(), ProcessNetns::inode_of(name)) == inodes->end());
  });
  CHECK(listed(catalog, name).size() == 1);
  process->end();
  CHECK(listed(catalog, name).empty());
}

TEST_CASE("neither a listing, nor a look, nor a binding, nor following its interfaces keeps a netns of processes alive") {
  LinuxCatalog catalog = catalog_of_processes();
  LinkWatcher links;
  REQUIRE(links.problem().empty());
  catalog.set_link_watcher(&links);
  const Keys keys({"net.ipv4.ip_forward"});
  for (const Tier tier : test::all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const auto process = in_new_netns();
    const std::string name = name_of(*process);
    REQUIRE(listed(catalog, name).size() == 1);
    REQUIRE(catalog.look_up(processes, name).kind == EntryKind::nsfs);
    const Binding bound = test::bind(catalog, name, keys.key_requests(), tier, processes);
    CHECK(bound.links_followed);
    const Fd file = test::open_sysctl(path_of(*process), "net/ipv4/ip_forward", O_RDONLY);
    REQUIRE(test::read_all(*bound.netns) == std::vector<std::string>{"0\n"});
    process->end();
    CHECK(test::dies(file));
  }
}

TEST_CASE("a kind of names that is not served has none") {
  LinuxCatalog catalog = catalog_of_processes();
  const auto process = in_new_netns();
  const std::string name = name_of(*process);
  catalog.enable_kinds({NameKind::entry});
  CHECK(listed(catalog, name).empty());
  CHECK(std::holds_alternative<Refusal>(catalog.bind(processes, name, {}, Tier::held)));
  catalog.enable_kinds({NameKind::process});
  CHECK(listed(catalog, name).size() == 1);
  const test::TestNetns entry("entry");
  CHECK(listed(catalog, "entry").empty());
  CHECK(catalog.look_up(0, "entry").kind == EntryKind::absent);
  CHECK(std::holds_alternative<Refusal>(catalog.bind(0, "entry", {}, Tier::held)));
}

}  // namespace
}  // namespace nswarden
