// SPDX-License-Identifier: Apache-2.0
// The watcher under more events than it can use, on the real kernel. Other processes may write files of the same procfs
// meanwhile, so each test checks only events of processes that it started. The kernel queues an event before the write that
// caused it returns, so tests need no waiting (kernel fact 65).
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
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/process.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "private_netns.hpp"
#include "watched_netns.hpp"
#include "writer_process.hpp"

namespace nswarden {
namespace {

using test::inode_of;
using test::keepalive;
using test::Keys;
using test::Seen;
using test::seen_of;
using test::sysctl_write;
using test::WriterProcess;
using World = test::WatchedNetns;

/// Whether the kernel ignores writes to that file, from fdinfo: "fanotify ino:2a sdev:15 mflags:.. mask:.. ignored_mask:2 ..."
bool ignores(const SysctlWatcher& watcher, std::uint64_t inode) {
  std::array<char, 64> start{};
  std::snprintf(start.data(), start.size(), "fanotify ino:%llx ", static_cast<unsigned long long>(inode));
  std::array<char, 512> line{};
  bool found = false;
  FILE* info = std::fopen(("/proc/self/fdinfo/" + std::to_string(watcher.fd())).c_str(), "re");
  REQUIRE(info != nullptr);
  while (std::fgets(line.data(), line.size(), info) != nullptr)
    found = found || std::string(line.data()).rfind(start.data(), 0) == 0;
  std::fclose(info);
  return found;
}

/// Whether ignoring works without pinning the inode in memory: Linux 5.19.
bool kernel_can_ignore() {
  const Fd group(::fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY));
  constexpr unsigned flags = FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_EVICTABLE;
  return ::fanotify_mark(group.get(), flags, FAN_MODIFY, AT_FDCWD, "/proc/self/comm") == 0;
}

TEST_CASE("a file of a process that is written in a loop is told once, and what is governed is still seen") {
  World world;
  WriterProcess writer([] { return test::put("/proc/self/comm", "noise"); });
  const std::uint64_t inode = inode_of("/proc/" + std::to_string(writer.pid()) + "/comm");
  Seen seen = seen_of(world.watcher, writer.pid());
  CHECK(seen.writes.empty());
  CHECK_FALSE(seen.lost);
  CHECK(ignores(world.watcher, inode) == kernel_can_ignore());
  writer.run_again();
  CHECK(seen_of(world.watcher, writer.pid()).writes.empty());
  const WriterProcess other(sysctl_write(world.netns.path(), keepalive, "100"));
  CHECK(seen_of(world.watcher, other.pid()).writes.size() == 1);
  writer.reap();
  CHECK(test::eventually([&] { return !ignores(world.watcher, inode); }));
}

TEST_CASE("no mounts of a writer make the kernel ignore a sysctl") {
  World world;
  const test::TestNetns other;
  const test::TempDir dir;
  const std::string key = "/proc/sys/net/ipv4/tcp_syn_retries";
  // The path that the watcher sees would resolve to the same file through the writer's root link.
  WriterProcess writer([&] {
    const std::string source = dir / "sysctl";
    const std::string process = "/proc/" + std::to_string(::getpid());
    if (!test::enter_netns(other.path()) || ::unshare(CLONE_NEWNS) != 0 ||
        !Fd(::open(source.c_str(), O_CREAT | O_CLOEXEC, 0600)) ||
        ::mount(key.c_str(), source.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return false;
    }
    // Covers a file of the process itself.
    if (::mount(key.c_str(), (process + "/comm").c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        !test::put(process + "/comm", "5")) {
      return false;
    }
    // Uses a private /proc.
    if (::mount("none", "/proc", "tmpfs", 0, nullptr) != 0) return false;
    for (const std::string& made : {process, process + "/root", process + "/root/proc"}) {
      if (::mkdir(made.c_str(), 0755) != 0) return false;
    }
    for (const std::string& target : {std::string("/proc/file"), process + "/root/proc/file"}) {
      if (!Fd(::open(target.c_str(), O_CREAT | O_CLOEXEC, 0600)) ||
          ::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
        return false;
      }
    }
    return test::put(process + "/root/proc/file", "5");
  });
  CHECK(seen_of(world.watcher, writer.pid()).writes.empty());
  std::uint64_t inode = 0;
  test::inside(other.path(), [&] { inode = inode_of(key); });
  CHECK_FALSE(ignores(world.watcher, inode));
  world.watcher.watch_names({"tcp_syn_retries"});
  const WriterProcess next(sysctl_write(other.path(), "net/ipv4/tcp_syn_retries", "4"));
  CHECK(seen_of(world.watcher, next.pid()).writes.size() == 1);
}

struct Value {
  std::string file;
  std::string text;
};

/// Writable files of TCP.
std::vector<Value> values_of_tcp() {
  std::vector<Value> values;
  DIR* const directory = ::opendir("/proc/sys/net/ipv4");
  for (const dirent* entry = ::readdir(directory); entry != nullptr; entry = ::readdir(directory)) {
    const std::string path = "/proc/sys/net/ipv4/" + std::string(entry->d_name);
    if (path.find("/tcp_") == std::string::npos) continue;
    std::array<char, 256> text{};
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
    Value value{entry->d_name, std::string(text.data(), static_cast<std::size_t>(std::max(size, ssize_t{0})))};
    if (!value.text.empty() && test::put(path, value.text)) values.push_back(std::move(value));
  }
  ::closedir(directory);
  return values;
}

/// Makes at least `events` events that cannot merge, because each has another file or mount. No value changes.
std::function<bool()> write_many(const std::string& netns, const std::string& mount_point, int events) {
  return [=] {
    if (!test::enter_netns(netns) || ::unshare(CLONE_NEWNS) != 0) return false;
    const std::vector<Value> values = values_of_tcp();
    bool all = !values.empty();
    for (auto made = values.size(); made < static_cast<std::size_t>(events) && all; made += values.size()) {
      all = ::mount("/proc/sys/net/ipv4", mount_point.c_str(), nullptr, MS_BIND, nullptr) == 0;
      for (const Value& value : values) all = all && test::put(mount_point + "/" + value.file, value.text);
    }
    return all;
  };
}

TEST_CASE("a batch has at most 64 events, and says when there are more") {
  const auto check = [] {
    const test::TempDir dir;
    World world;
    const WriterProcess writer(write_many(world.netns.path(), dir.path(), 200));
    CHECK(world.watcher.read().more);
    const Seen seen = seen_of(world.watcher, writer.pid());
    for (const SysctlWrite& write : seen.writes) CHECK(write.place == world.place(1));
    CHECK_FALSE(seen.lost);
    CHECK_FALSE(world.watcher.read().more);
  };
  SECTION("since Linux 6.13") { check(); }
  SECTION("before") { test::on_older_kernel(check); }
}

/// Rewrites the value of each sysctl directly below net/ipv4 of that netns, from a thread of this process. Returns the number
/// of successful writes.
std::size_t write_by_daemon(const std::string& netns) {
  std::size_t written = 0;
  std::thread([&] {
    if (!test::enter_netns(netns)) return;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/sys/net/ipv4")) {
      if (!entry.is_regular_file() || entry.path().filename() == "ip_forward") continue;
      const auto value = read_file(entry.path().string(), 4096);
      if (value && !value->empty() && test::put(entry.path().string(), *value)) ++written;
    }
  }).join();
  return written;
}

TEST_CASE("events of our own do not make those of others wait for another batch") {
  World world;
  REQUIRE(write_by_daemon(world.netns.path()) > 64);
  const WriterProcess writer(sysctl_write(world.netns.path(), keepalive, "100"));
  const SysctlWrites first = world.watcher.read();
  CHECK(std::any_of(first.writes.begin(), first.writes.end(),
                    [&](const SysctlWrite& write) { return write.pid == writer.pid(); }));
}

TEST_CASE("when the queue overflows that is told, and later writes are seen (kernel fact 15)") {
  World world;
  int queue = 0;
  FILE* limit = std::fopen("/proc/sys/fs/fanotify/max_queued_events", "re");
  REQUIRE(limit != nullptr);
  REQUIRE(std::fscanf(limit, "%d", &queue) == 1);
  std::fclose(limit);
  if (queue > 16384) {
    WARN("skipped: the queue is longer than the default");
    return;
  }
  const test::TempDir dir;
  const WriterProcess many(write_many(world.netns.path(), dir.path(), queue + 1));
  CHECK(seen_of(world.watcher, many.pid()).lost);
  const WriterProcess writer(sysctl_write(world.netns.path(), keepalive, "100"));
  const Seen seen = seen_of(world.watcher, writer.pid());
  CHECK_FALSE(seen.lost);
  CHECK(seen.writes.size() == 1);
}

}  // namespace
}  // namespace nswarden
