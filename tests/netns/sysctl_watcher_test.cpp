// SPDX-License-Identifier: Apache-2.0
// The watcher on the real kernel. Other processes may write files of the same procfs meanwhile, so each test checks only events
// of processes that it started. The kernel queues an event before the write that caused it returns, so tests need no waiting
// (kernel fact 65).
#include <nswarden/netns/sysctl_watcher.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/os/process.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "open_files.hpp"
#include "private_netns.hpp"
#include "watched_netns.hpp"
#include "writer_process.hpp"

namespace nswarden {
namespace {

using test::keepalive;
using test::Keys;
using test::Seen;
using test::seen_of;
using test::sysctl_write;
using test::WriterProcess;
using World = test::WatchedNetns;

bool is_alive(const Fd& pidfd) { return pidfd && ::syscall(SYS_pidfd_send_signal, pidfd.get(), 0, nullptr, 0) == 0; }

void check_that_a_foreign_write_is_seen(Tier tier) {
  World world(tier);
  const WriterProcess writer(sysctl_write(world.netns.path(), keepalive, "100"));
  const Seen seen = seen_of(world.watcher, writer.pid());
  REQUIRE(seen.writes.size() == 1);
  CHECK_FALSE(seen.lost);
  CHECK(seen.writes[0].place == world.place(1));
  CHECK(seen.writes[0].name.empty());
  CHECK(world.files().find(seen.writes[0].inode) == world.place(1));
  CHECK(seen_of(world.watcher, writer.pid()).writes.empty());
}

TEST_CASE("a write of another process is seen with its netns and key, in each tier (kernel fact 15)") {
  for (const Tier tier : test::all_tiers) {
    CAPTURE(static_cast<int>(tier));
    check_that_a_foreign_write_is_seen(tier);
  }
}

TEST_CASE("so it is before Linux 5.15, which has no pidfd for it, and tells a failed open by the read (kernel fact 15)") {
  test::on_older_kernel([] { check_that_a_foreign_write_is_seen(Tier::held); });
}

TEST_CASE("the writer comes with a pidfd while it is there, and without one after it was reaped (kernel fact 15)") {
  World world;
  const auto write = sysctl_write(world.netns.path(), keepalive, "100");
  const WriterProcess living(write);
  WriterProcess gone(write);
  gone.reap();
  const Seen first = seen_of(world.watcher, living.pid());
  REQUIRE(first.writes.size() == 1);
  CHECK(is_alive(first.writes[0].pidfd));
  CHECK(describe_writer(first.writes[0].pid, first.writes[0].pidfd, 0).uid == 0U);
  WriterProcess other(write);
  other.reap();
  const Seen late = seen_of(world.watcher, other.pid());
  REQUIRE(late.writes.size() == 1);
  CHECK(late.writes[0].place == world.place(1));
  CHECK_FALSE(is_alive(late.writes[0].pidfd));
}

TEST_CASE("writes of our own process are dropped, those through the held file included") {
  World world;
  REQUIRE(world.bound.netns->write(0, "1").ok());
  test::write_sysctl(world.netns.path(), keepalive, "100");
  const Seen seen = seen_of(world.watcher, ::getpid());
  CHECK(seen.writes.empty());
  CHECK_FALSE(seen.lost);
}

TEST_CASE("many writes to one file that nobody has looked at yet are one") {
  World world;
  const WriterProcess writer([&] {
    const auto write = sysctl_write(world.netns.path(), keepalive, "100");
    return write() && write() && write();
  });
  CHECK(seen_of(world.watcher, writer.pid()).writes.size() == 1);
}

TEST_CASE("a batch ends where a process in a tight loop has written again, and has what waited before") {
  World world;
  const WriterProcess once(sysctl_write(world.netns.path(), "net/ipv4/ip_forward", "1"));
  const WriterProcess parent_of_loop([&] {
    const pid_t pid = ::fork();
    if (pid != 0) return pid > 0;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool inside = test::enter_netns(world.netns.path());
    const Fd file(::open(("/proc/sys/" + keepalive).c_str(), O_WRONLY | O_CLOEXEC));
    while (inside && ::pwrite(file.get(), "100", 3, 0) == 3) continue;
    ::_exit(1);
  });
  std::size_t batches = 0;
  std::size_t writes = 0;
  bool has_once = false;
  while (batches < 200) {
    const SysctlWrites batch = world.watcher.read();
    if (batch.writes.empty()) continue;
    CHECK_FALSE(batch.more);
    has_once = has_once || std::any_of(batch.writes.begin(), batch.writes.end(),
                                       [&](const SysctlWrite& write) { return write.pid == once.pid(); });
    CHECK(has_once);
    writes += batch.writes.size();
    ++batches;
  }
  CHECK(writes < batches * 4);
}

TEST_CASE("a write in a netns that is not bound is told by the name of its file, if any policy has it") {
  World world;
  const test::TestNetns other;
  WriterProcess writer(sysctl_write(other.path(), keepalive, "100"));
  const Seen seen = seen_of(world.watcher, writer.pid());
  REQUIRE(seen.writes.size() == 1);
  CHECK_FALSE(seen.writes[0].place);
  CHECK(seen.writes[0].name == "tcp_keepalive_time");
  CHECK(world.files().has_unknown_inode("tcp_keepalive_time"));
  CHECK_FALSE(world.files().has_unknown_inode("ip_forward"));

  world.watcher.watch_names({"ip_forward"});
  writer.run_again();
  CHECK(seen_of(world.watcher, writer.pid()).writes.empty());
  world.watcher.watch_names({"tcp_keepalive_time"});
  writer.run_again();
  CHECK(seen_of(world.watcher, writer.pid()).writes.size() == 1);
}

TEST_CASE("strangers are few: one more than can be kept, and the others are forgotten") {
  SysctlFiles files;
  for (std::uint64_t inode = 1; inode <= SysctlFiles::max_unknown_inodes; ++inode) files.add_unknown_inode(inode, "old");
  files.add_unknown_inode(1, "old");
  CHECK(files.has_unknown_inode("old"));
  files.add_unknown_inode(1000, "new");
  CHECK_FALSE(files.has_unknown_inode("old"));
  CHECK(files.has_unknown_inode("new"));
  files.add(1000, {7, 0});
  CHECK_FALSE(files.has_unknown_inode("new"));
  files.add_unknown_inode(1001, "new");
  files.clear_unknown_inodes();
  CHECK_FALSE(files.has_unknown_inode("new"));
}

TEST_CASE("when a netns is unbound its files are forgotten, but not those of a later binding of it") {
  World world;
  WriterProcess writer(sysctl_write(world.netns.path(), keepalive, "100"));
  for (const Tier tier : test::all_tiers) {
    CAPTURE(static_cast<int>(tier));
    Binding next = test::bind(world.catalog, world.netns.name(), world.keys.key_requests(), tier);
    world.bound = std::move(next);  // destroys the previous binding
    CHECK(world.files().size() == 2);
    writer.run_again();
    const Seen seen = seen_of(world.watcher, writer.pid());
    REQUIRE(seen.writes.size() == 1);
    CHECK(seen.writes[0].place == world.place(1));
  }
  world.bound.netns.reset();
  CHECK(world.files().size() == 0);
  writer.run_again();
  const Seen seen = seen_of(world.watcher, writer.pid());
  REQUIRE(seen.writes.size() == 1);
  CHECK_FALSE(seen.writes[0].place);
  CHECK(seen.writes[0].name == "tcp_keepalive_time");
}

TEST_CASE("a key that appears, or is opened for the first time later, is known from then on") {
  World world;
  const Keys keys({"net.ipv4.conf.late0.forwarding"});
  const Binding bound = test::bind(world.catalog, world.netns.name(), keys.key_requests(), Tier::held);
  test::inside(world.netns.path(), [] { test::add_bridge("late0"); });
  REQUIRE(*bound.netns->find_missing() == 1);
  const WriterProcess writer(sysctl_write(world.netns.path(), "net/ipv4/conf/late0/forwarding", "1"));
  const Seen seen = seen_of(world.watcher, writer.pid());
  REQUIRE(seen.writes.size() == 1);
  CHECK(seen.writes[0].place == SysctlFiles::Place{bound.id.inode, 0});
}

/// Creates a second inode of the key, which later lookups find. Any user with a shell in the netns can do this.
bool silence(const std::string& netns) {
  constexpr long nobody = 65534;
  return test::enter_netns(netns) && ::chdir("/proc/sys/net/ipv4") == 0 && ::setresgid(nobody, nobody, nobody) == 0 &&
         ::setresuid(nobody, nobody, nobody) == 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
         Fd(::open("tcp_keepalive_time", O_RDONLY | O_CLOEXEC));
}

TEST_CASE("who makes a second inode of a key silences nobody, and our next write learns it (kernel fact 16)") {
  for (const Tier tier : test::all_tiers) {
    CAPTURE(static_cast<int>(tier));
    World world(tier);
    const WriterProcess attacker([&] { return silence(world.netns.path()); });
    WriterProcess writer(sysctl_write(world.netns.path(), keepalive, "100"));
    const Seen first = seen_of(world.watcher, writer.pid());
    REQUIRE(first.writes.size() == 1);
    CHECK_FALSE(first.writes[0].place);
    CHECK(first.writes[0].name == "tcp_keepalive_time");

    REQUIRE(world.bound.netns->write(0, "1").ok());
    CHECK(world.files().has_unknown_inode("tcp_keepalive_time"));
    REQUIRE(world.bound.netns->write(1, "7200").ok());
    CHECK(test::read_sysctl(world.netns.path(), keepalive) == "7200\n");
    CHECK(world.files().find(first.writes[0].inode) == world.place(1));
    CHECK_FALSE(world.files().has_unknown_inode("tcp_keepalive_time"));
    writer.run_again();
    const Seen second = seen_of(world.watcher, writer.pid());
    REQUIRE(second.writes.size() == 1);
    CHECK(second.writes[0].inode == first.writes[0].inode);
    CHECK(second.writes[0].place == world.place(1));
    world.bound.netns.reset();
    CHECK(world.files().size() == 0);
  }
}

TEST_CASE("where sysctls are opened anew each time, a second inode is known after the next read (kernel fact 16)") {
  World world(Tier::transient);
  const WriterProcess attacker([&] { return silence(world.netns.path()); });
  const WriterProcess writer(sysctl_write(world.netns.path(), keepalive, "100"));
  REQUIRE(world.bound.netns->read().ok());
  const Seen seen = seen_of(world.watcher, writer.pid());
  REQUIRE(seen.writes.size() == 1);
  CHECK(seen.writes[0].place == world.place(1));
  CHECK(world.files().size() == 2);
}

TEST_CASE("a writer with a procfs of its own is not seen, which is what the sweep is for (kernel fact 17)") {
  World world;
  const test::TempDir dir;
  const WriterProcess writer([&] {
    const std::string path = dir / "";
    return test::enter_netns(world.netns.path()) && ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("proc", path.c_str(), "proc", 0, nullptr) == 0 && test::put(path + "sys/" + keepalive, "100");
  });
  CHECK(test::read_sysctl(world.netns.path(), keepalive) == "100\n");
  CHECK(seen_of(world.watcher, writer.pid()).writes.empty());
}

TEST_CASE("with a procfs of our own we are down and say what to do, until it is gone (kernel fact 18)") {
  test::netns_dir();
  SysctlFiles files;
  REQUIRE(::mount("proc", "/proc", "proc", 0, nullptr) == 0);
  SysctlWatcher watcher(files);
  const bool again = watcher.rearm();
  const bool uncovered = ::umount2("/proc", MNT_DETACH) == 0;
  REQUIRE(uncovered);
  CHECK_FALSE(again);
  CHECK(watcher.fd() == -1);
  CHECK(watcher.problem().find("ProtectKernelTunables") != std::string::npos);
  CHECK(watcher.read().writes.empty());
  CHECK(watcher.rearm());
  CHECK(watcher.fd() >= 0);
  CHECK(watcher.problem().empty());
  CHECK_FALSE(watcher.rearm());
}

TEST_CASE("nothing is claimed of a procfs when the mount table of process 1 cannot be read (kernel fact 18)") {
  test::netns_dir();
  REQUIRE(::mount("none", "/proc/1", "tmpfs", 0, nullptr) == 0);
  SysctlFiles files;
  const SysctlWatcher watcher(files);
  test::unmount("/proc/1");
  CHECK(watcher.problem().empty());
}

TEST_CASE("CAP_SYS_ADMIN is enough, and who lacks it is told so (kernel fact 15)") {
  test::netns_dir();
  SysctlFiles files;
  std::string with;
  std::string without;
  test::as_nobody(test::Keep::sys_admin, [&] { with = SysctlWatcher(files).problem(); });
  test::as_nobody(test::Keep::nothing, [&] { without = SysctlWatcher(files).problem(); });
  CHECK(with.empty());
  CHECK(without.find("CAP_SYS_ADMIN") != std::string::npos);
}

TEST_CASE("without a free file it is down, and comes up when there is one") {
  test::netns_dir();
  SysctlFiles files;
  const std::size_t limit = open_files_limit();
  REQUIRE(test::set_open_files_limit(3).ok());
  SysctlWatcher watcher(files);
  const bool again = watcher.rearm();
  REQUIRE(test::set_open_files_limit(limit).ok());
  CHECK_FALSE(again);
  CHECK(watcher.problem().find("limit of open files") != std::string::npos);
  CHECK(watcher.rearm());
}

TEST_CASE("an event whose file could not be opened is lost, and told so") {
  const auto check = [] {
    World world;
    WriterProcess writer(sysctl_write(world.netns.path(), keepalive, "100"));
    const std::size_t limit = open_files_limit();
    REQUIRE(test::set_open_files_limit(3).ok());
    const Seen seen = seen_of(world.watcher, writer.pid());
    REQUIRE(test::set_open_files_limit(limit).ok());
    CHECK(seen.lost);
    CHECK(seen.writes.empty());
    writer.run_again();
    CHECK(seen_of(world.watcher, writer.pid()).writes.size() == 1);
  };
  SECTION("in the event, since Linux 6.13") { check(); }
  SECTION("by the read, before") { test::on_older_kernel(check); }
}

TEST_CASE("a write to a netns that has died since is nothing to look at, and no loss") {
  const auto check = [] {
    World world;
    const std::string path = test::netns_dir() + "/short";
    test::make_netns(path);
    const Fd file = test::open_sysctl(path, keepalive, O_RDONLY);
    WriterProcess writer(sysctl_write(path, keepalive, "100"));
    writer.reap();
    test::remove_netns(path);
    REQUIRE(test::dies(file));
    const Seen seen = seen_of(world.watcher, writer.pid());
    CHECK(seen.writes.empty());
    CHECK_FALSE(seen.lost);
  };
  SECTION("since Linux 6.13") { check(); }
  SECTION("before") { test::on_older_kernel(check); }
}

}  // namespace
}  // namespace nswarden
