// SPDX-License-Identifier: Apache-2.0
// Entries and binding on the real kernel.
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/os/fd.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <set>
#include <string>

#include "bound_keys.hpp"
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::Keys;
using test::refusal_of;

using Detail = NetnsCatalog::Detail;

const Entry* find(const std::vector<Entry>& entries, std::string_view name) {
  const auto found = std::find_if(entries.begin(), entries.end(), [name](const Entry& e) { return e.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

/// Checks that look_up() and list() agree.
EntryKind kind_of(LinuxCatalog& catalog, const std::string& name) {
  const Listing listing = catalog.list(Detail::full);
  REQUIRE(listing.failures.empty());
  const Entry* listed = find(listing.entries, name);
  const Entry looked = catalog.look_up(0, name);
  CHECK((listed == nullptr ? EntryKind::absent : listed->kind) == looked.kind);
  CHECK((listed == nullptr ? 0 : listed->inode) == looked.inode);
  return looked.kind;
}

NetnsId id_of(LinuxCatalog& catalog, const std::string& name) { return test::bind(catalog, name, {}, Tier::held).id; }

TEST_CASE("a name begins as an empty file, becomes a netns, and is an empty file again (kernel facts 1, 3)") {
  LinuxCatalog catalog({test::netns_dir()});
  const std::string path = test::netns_dir() + "/slow";
  CHECK(kind_of(catalog, "slow") == EntryKind::absent);
  CHECK(refusal_of(catalog, "slow") == Refusal::absent);
  test::write_file(path, "");
  CHECK(kind_of(catalog, "slow") == EntryKind::placeholder);
  CHECK(refusal_of(catalog, "slow") == Refusal::not_ready);
  test::make_netns(path);
  CHECK(kind_of(catalog, "slow") == EntryKind::nsfs);
  CHECK(id_of(catalog, "slow").inode == catalog.look_up(0, "slow").inode);
  test::unmount(path);
  CHECK(kind_of(catalog, "slow") == EntryKind::placeholder);
  CHECK(refusal_of(catalog, "slow") == Refusal::not_ready);
  test::remove_netns(path);
}

TEST_CASE("entries that are no netns are told without being opened, and none of them hangs us (kernel fact 6)") {
  const test::TempDir dir;
  LinuxCatalog catalog({dir.path()});
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  REQUIRE(::mkdir((dir / "directory").c_str(), 0700) == 0);
  REQUIRE(::mknod((dir / "device").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0);
  REQUIRE(::symlink("nowhere", (dir / "dangling").c_str()) == 0);
  REQUIRE(::symlink("loop", (dir / "loop").c_str()) == 0);
  REQUIRE(::symlink("/proc/self/ns/net", (dir / "link-to-netns").c_str()) == 0);
  test::write_file(dir / "text", "some text");
  test::bind_mount("/proc/version", dir / "bound-file");
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (dir / "socket").copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  for (const std::string name : {"fifo", "directory", "device", "dangling", "loop", "link-to-netns", "text", "socket"}) {
    CAPTURE(name);
    CHECK(kind_of(catalog, name) == EntryKind::other);
    CHECK(refusal_of(catalog, name) == Refusal::not_a_netns);
  }
  // An empty file of another file system is a possible future netns, like any empty file.
  CHECK(refusal_of(catalog, "bound-file") == Refusal::not_ready);
  test::unmount(dir / "bound-file");
}

TEST_CASE("a namespace of another kind is on nsfs too, and is refused before it is entered (kernel fact 6)") {
  const test::TempDir dir;
  LinuxCatalog catalog({dir.path()});
  for (const std::string kind : {"uts", "ipc", "user"}) {
    CAPTURE(kind);
    test::bind_mount("/proc/self/ns/" + kind, dir / kind);
    CHECK(kind_of(catalog, kind) == EntryKind::nsfs);
    CHECK(refusal_of(catalog, kind) == Refusal::not_a_netns);
  }
}

TEST_CASE("names are bytes: whatever ip netns accepts is found and bound (kernel fact 8)") {
  LinuxCatalog catalog({test::netns_dir()});
  for (const std::string& name : {std::string("new\nline"), std::string("$(id>f)"), std::string("-rf"), std::string("*"),
                                  std::string("\"'\\"), std::string("\xff\xfe"), std::string(255, 'x'), std::string("...")}) {
    CAPTURE(name);
    const test::TestNetns netns(name);
    CHECK(kind_of(catalog, name) == EntryKind::nsfs);
    CHECK(id_of(catalog, name).inode != 0);
  }
}

TEST_CASE("a name that no directory could hold leads nowhere") {
  LinuxCatalog catalog({test::netns_dir()});
  const test::TestNetns netns("plain");
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("x/../plain"),
                                  std::string("plain\0", 6), std::string(256, 'x')}) {
    CAPTURE(name);
    CHECK(catalog.look_up(0, name).kind != EntryKind::nsfs);
    CHECK_FALSE(std::holds_alternative<Binding>(catalog.bind(0, name, {}, Tier::held)));
  }
}

TEST_CASE("a list of names has each of them once, without what they are") {
  LinuxCatalog catalog({test::netns_dir(), "/run/no-such-directory"});
  const test::TestNetns one("one");
  const test::TestNetns two("two");
  const Listing listing = catalog.list(Detail::names);
  REQUIRE(listing.failures.empty());
  std::multiset<std::string> names;
  for (const Entry& entry : listing.entries) {
    names.insert(entry.name);
    CHECK(entry.kind == EntryKind::absent);
    CHECK(entry.inode == 0);
  }
  CHECK(names == std::multiset<std::string>{"one", "two"});
}

TEST_CASE("a directory that is absent has no entries, and one that cannot be read fails alone") {
  const test::TempDir dir;
  const test::TestNetns netns("last");
  test::write_file(dir / "file", "");
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  REQUIRE(::mkdir((dir / "closed").c_str(), 0700) == 0);
  REQUIRE(::symlink("loop", (dir / "loop").c_str()) == 0);
  test::as_nobody(test::Keep::nothing, [&] {
    LinuxCatalog catalog({dir / "absent", dir / "file", dir / "closed", dir / "loop", test::netns_dir()});
    for (const Detail detail : {Detail::names, Detail::full}) {
      const Listing listing = catalog.list(detail);
      std::vector<std::pair<int, int>> failures;
      for (const auto& [directory, error] : listing.failures) failures.emplace_back(directory, error.code);
      CHECK(failures == std::vector<std::pair<int, int>>{{1, ENOTDIR}, {2, EACCES}, {3, ELOOP}});
      REQUIRE(listing.entries.size() == 1);
      CHECK(listing.entries.front().directory == 4);
      CHECK(listing.entries.front().name == "last");
    }
  });
}

TEST_CASE("an entry that cannot be looked at is no netns, and hides none of its neighbours") {
  const test::TempDir dir;
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  test::write_file(dir / "before", "");
  REQUIRE(::mkdir((dir / "dead").c_str(), 0755) == 0);
  test::write_file(dir / "zlast", "");
  // The mount of a FUSE server that has exited: stat returns ENOTCONN.
  Fd server(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  const std::string options = "fd=" + std::to_string(server.get()) + ",rootmode=40000,user_id=0,group_id=0";
  const bool fuse = server && ::mount("dead", (dir / "dead").c_str(), "fuse", 0, options.c_str()) == 0;
  server.reset();
  LinuxCatalog catalog({dir.path()});
  if (fuse) {
    CHECK(kind_of(catalog, "dead") == EntryKind::other);
    CHECK(catalog.list(Detail::full).entries.size() == 3);
    test::unmount(dir / "dead");
  }
  // A directory with read but no search permission: stat returns EACCES.
  REQUIRE(::chmod(dir.path().c_str(), 0744) == 0);
  test::as_nobody(test::Keep::nothing, [&] {
    for (const std::string name : {"before", "dead", "zlast"}) CHECK(kind_of(catalog, name) == EntryKind::other);
  });
}

TEST_CASE("the second directory's entries carry its index") {
  const test::TempDir dir;
  test::make_netns(dir / "elsewhere");
  LinuxCatalog catalog({test::netns_dir(), dir.path()});
  const auto entries = catalog.list(Detail::full).entries;
  REQUIRE(entries.size() == 1);
  CHECK(entries.front().directory == 1);
  CHECK(std::holds_alternative<Binding>(catalog.bind(1, "elsewhere", {}, Tier::held)));
}

TEST_CASE("listing holds no fd of the directory, so that an admin can unmount it (kernel fact 9)") {
  const test::TempDir dir;
  REQUIRE(::mkdir((dir / "netns").c_str(), 0755) == 0);
  REQUIRE(::mount("none", (dir / "netns").c_str(), "tmpfs", 0, nullptr) == 0);
  LinuxCatalog catalog({dir / "netns"});
  test::make_netns(dir / "netns/a");
  const Keys keys({"net.ipv4.ip_forward"});
  const Binding bound = test::bind(catalog, "a", keys.key_requests(), Tier::held);
  REQUIRE(catalog.list(Detail::full).failures.empty());
  test::remove_netns(dir / "netns/a");
  CHECK(::umount2((dir / "netns").c_str(), 0) == 0);
}

TEST_CASE("an inode number may come again, a cookie never does (kernel fact 4)") {
  LinuxCatalog catalog({test::netns_dir()});
  std::set<std::uint64_t> cookies;
  std::set<std::uint64_t> inodes;
  std::size_t lives = 0;
  const bool recreated = test::eventually([&] {
    const test::TestNetns netns("again");
    const NetnsId id = id_of(catalog, "again");
    ++lives;
    cookies.insert(id.cookie);
    return !inodes.insert(id.inode).second;
  });
  CHECK(recreated);
  CHECK(cookies.size() == lives);
  CHECK(cookies.count(0) == 0);
}

TEST_CASE("two names of one netns have one identity") {
  LinuxCatalog catalog({test::netns_dir()});
  const test::TestNetns netns("first");
  test::bind_mount(netns.path(), test::netns_dir() + "/second");
  CHECK(id_of(catalog, "first") == id_of(catalog, "second"));
  test::remove_netns(test::netns_dir() + "/second");
}

TEST_CASE("our own netns is refused as the host's (kernel fact 7)") {
  LinuxCatalog catalog({test::netns_dir()});
  test::bind_mount("/proc/thread-self/ns/net", test::netns_dir() + "/host");
  CHECK(kind_of(catalog, "host") == EntryKind::nsfs);
  CHECK(refusal_of(catalog, "host") == Refusal::host_netns);
  test::remove_netns(test::netns_dir() + "/host");
}

/// Runs in a PID namespace whose process 1 and whose only other thread, the daemon's, are in different netns.
int bind_first_process() {
  int status = 3;
  try {
    if (::mount("none", "/proc", "proc", 0, nullptr) != 0) return 4;
    const test::TestNetns own_netns("ours");
    test::bind_mount("/proc/1/ns/net", test::netns_dir() + "/host");
    test::inside(own_netns.path(), [&] {
      LinuxCatalog catalog({test::netns_dir()});
      const auto host = catalog.bind(0, "host", {}, Tier::held);
      const auto own = catalog.bind(0, "ours", {}, Tier::held);
      const auto* first = std::get_if<Refusal>(&host);
      const auto* second = std::get_if<Refusal>(&own);
      if (first == nullptr || *first != Refusal::host_netns) {
        status = 1;
      } else if (!catalog.host_is_known()) {
        status = 6;
      } else {
        status = second != nullptr && *second == Refusal::host_netns ? 0 : 2;
      }
    });
  } catch (...) {
    return 5;
  }
  return status;
}

TEST_CASE("the netns of process 1 is refused as the host's, also by a daemon that lives elsewhere (kernel fact 7)") {
  test::netns_dir();
  const long child = ::syscall(SYS_clone, SIGCHLD | CLONE_NEWPID | CLONE_NEWNS, nullptr, nullptr, nullptr, nullptr);
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(bind_first_process());
  int status = -1;
  REQUIRE(::waitpid(static_cast<pid_t>(child), &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  test::remove_netns(test::netns_dir() + "/host");
  test::remove_netns(test::netns_dir() + "/ours");
}

TEST_CASE("the first netns of the kernel is refused also by who may not look at process 1 (kernel fact 7)") {
  struct stat here {};
  REQUIRE(::stat("/proc/thread-self/ns/net", &here) == 0);
  const bool first = here.st_ino == 0xEFFFFFF9;
  const test::TestNetns home("home");
  test::bind_mount("/proc/thread-self/ns/net", test::netns_dir() + "/first");
  bool known_outside = false;
  bool known_inside = true;
  BindResult bound;
  test::as_nobody(test::Keep::sys_admin, [&] {
    known_outside = LinuxCatalog({test::netns_dir()}).host_is_known();
    const Fd netns(::open(home.path().c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::setns(netns.get(), CLONE_NEWNET) == 0);
    LinuxCatalog catalog({test::netns_dir()});
    known_inside = catalog.host_is_known();
    bound = catalog.bind(0, "first", {}, Tier::held);
  });
  test::remove_netns(test::netns_dir() + "/first");
  // Before Linux 6.18, and in a container, the first netns cannot be recognized.
  CHECK(known_outside == first);
  CHECK_FALSE(known_inside);
  CHECK(std::holds_alternative<Refusal>(bound) == first);
}

TEST_CASE("home is the netns of the thread, not of the process (kernel fact 21)") {
  const test::TestNetns home("home");
  const test::TestNetns target("target");
  const Keys keys({"net.ipv4.ip_forward"});
  std::string before;
  std::string after;
  test::inside(home.path(), [&] {
    const auto here = [] {
      struct stat status {};
      return ::stat("/proc/thread-self/ns/net", &status) == 0 ? std::to_string(status.st_ino) : std::string();
    };
    before = here();
    LinuxCatalog catalog({test::netns_dir()});
    const Binding bound = test::bind(catalog, "target", keys.key_requests(), Tier::transient);
    CHECK(bound.netns->read().ok());
    after = here();
  });
  CHECK(before == after);
  CHECK_FALSE(before.empty());
}

TEST_CASE("who may enter a netns is told by trying") {
  CHECK(LinuxCatalog({test::netns_dir()}).may_enter().ok());
  test::as_nobody(test::Keep::nothing, [] {
    const auto entered = LinuxCatalog({test::netns_dir()}).may_enter();
    REQUIRE_FALSE(entered.ok());
    CHECK(entered.error().code == EPERM);
  });
}

}  // namespace
}  // namespace nswarden
