// SPDX-License-Identifier: Apache-2.0
// Verifies the kernel behaviour that the code relies on.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include <nswarden/os/fd.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "kernel.hpp"
#include "netns/netns_entry.hpp"
#include "netns/sysctl_tree.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

std::string read_at_start(int fd) {
  std::array<char, 64> bytes{};
  const ssize_t size = ::pread(fd, bytes.data(), bytes.size(), 0);
  return size < 0 ? "error" : std::string(bytes.data(), static_cast<std::size_t>(size));
}

TEST_CASE("an empty file can be opened, but is not on nsfs and cannot be entered (kernel fact 1)") {
  const std::string path = test::netns_dir() + "/half-made";
  test::write_file(path, "");
  const HomeNetns home;
  const auto opened = open_netns({path}, home);
  REQUIRE(std::holds_alternative<Refusal>(opened));
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(file);
  CHECK(test::error_of(NetnsScope::enter(file.get(), home)) == EINVAL);
  test::remove_netns(path);
}

TEST_CASE("all netns files are on one file system, and its device number tells it (kernel fact 6)") {
  const HomeNetns home;
  const test::TestNetns netns;
  struct stat status {};
  REQUIRE(::stat(netns.path().c_str(), &status) == 0);
  CHECK(status.st_dev == home.nsfs_device());
}

TEST_CASE("the file and a socket inside tell the same cookie (kernel fact 4)") {
  const HomeNetns home;
  const test::TestNetns netns;
  const Fd file(::open(netns.path().c_str(), O_RDONLY | O_CLOEXEC));
  const auto by_file = cookie_of_file(file.get());
  const auto scope = NetnsScope::enter(file.get(), home);
  REQUIRE(scope.ok());
  const auto by_socket = cookie_inside();
  REQUIRE(by_socket.ok());
  if (test::lacks("netns cookies")) return;
  CHECK(*by_socket != 0);
  if (test::lacks("netns cookie by ioctl")) return;
  CHECK(by_file.value_or(0) == *by_socket);
}

TEST_CASE("an fd of the netns file keeps a nameless netns alive, a sysctl fd does not (kernel fact 5)") {
  const std::string path = test::netns_dir() + "/pinned";
  test::make_netns(path);
  const Fd sysctl = test::open_sysctl(path, "net/ipv4/ip_forward", O_RDONLY);
  const Fd directory = test::open_sysctl(path, "net/ipv4", O_PATH);
  Fd pin(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  test::remove_netns(path);
  CHECK_FALSE(test::eventually([&] { return read_at_start(sysctl.get()) == "error"; }, std::chrono::milliseconds(300)));
  pin.reset();
  CHECK(test::eventually([&] { return read_at_start(sysctl.get()) == "error"; }));
  CHECK(errno == ENOENT);
  struct stat status {};
  CHECK(test::eventually([&] { return ::fstat(directory.get(), &status) == -1; }));
  CHECK(errno == ENOENT);
  CHECK((::openat(directory.get(), "ip_forward", O_RDONLY | O_CLOEXEC) == -1 && errno == ENOENT));
}

TEST_CASE("an fd of the netns file makes a plain umount fail (kernel fact 5)") {
  const test::TestNetns netns;
  Fd file(::open(netns.path().c_str(), O_RDONLY | O_CLOEXEC));
  CHECK((::umount2(netns.path().c_str(), 0) == -1 && errno == EBUSY));
  file.reset();
  CHECK(::umount2(netns.path().c_str(), 0) == 0);
}

TEST_CASE("a second write on a kept fd succeeds and changes nothing, pwrite at 0 does change it (kernel fact 12)") {
  const test::TestNetns netns;
  const Fd file = test::open_sysctl(netns.path(), "net/ipv4/ip_forward", O_RDWR);
  REQUIRE(::write(file.get(), "1", 1) == 1);
  CHECK(::write(file.get(), "0", 1) == 1);
  CHECK(read_at_start(file.get()) == "1\n");
  CHECK(::pwrite(file.get(), "0", 1, 0) == 1);
  CHECK(read_at_start(file.get()) == "0\n");
}

TEST_CASE("a buffer that is too small cuts the value (kernel fact 12)") {
  const test::TestNetns netns;
  const Fd file = test::open_sysctl(netns.path(), "net/ipv4/tcp_rmem", O_RDONLY);
  std::array<char, 5> small{};
  CHECK(::pread(file.get(), small.data(), small.size(), 0) <= 5);
  CHECK(read_at_start(file.get()).size() > 5);
}

TEST_CASE("a directory of a family belongs to the netns where it was opened, /proc/sys/net to none (kernel fact 13)") {
  const test::TestNetns one;
  const test::TestNetns two;
  test::write_sysctl(one.path(), "net/ipv4/ip_forward", "1");
  const Fd net = test::open_sysctl(one.path(), "net", O_PATH);
  const Fd family = test::open_sysctl(one.path(), "net/ipv4", O_PATH);
  test::inside(two.path(), [&] {
    const Fd by_net(::openat(net.get(), "ipv4/ip_forward", O_RDONLY | O_CLOEXEC));
    const Fd by_family(::openat(family.get(), "ip_forward", O_RDONLY | O_CLOEXEC));
    CHECK(read_at_start(by_net.get()) == "0\n");
    CHECK(read_at_start(by_family.get()) == "1\n");
  });
}

TEST_CASE("no path leaves /proc/sys/net, whichever way it is walked (kernel fact 25)") {
  test::netns_dir();
  REQUIRE(SysctlTree().walk() == SysctlTree::Walk::openat2);
  for (const SysctlTree::Walk walk : {SysctlTree::Walk::openat2, SysctlTree::Walk::by_step}) {
    CAPTURE(static_cast<int>(walk));
    const SysctlTree tree(walk);
    const auto error_of = [&](const char* path) {
      const auto fd = tree.open_below(tree.root(), path, O_RDONLY);
      return fd ? 0 : fd.error().code;
    };
    CHECK(error_of("ipv4/ip_forward") == 0);
    CHECK(error_of("ipv4/../../kernel/core_pattern") == EXDEV);
    CHECK(error_of("../kernel/core_pattern") == EXDEV);
    CHECK(error_of("/proc/sys/kernel/core_pattern") == EXDEV);
    CHECK(error_of("ipv4/no_such_key") == ENOENT);
    CHECK(error_of("ipv4/ip_forward/x") == ENOTDIR);
    // The tree below net/ has no symbolic links, but /proc has.
    const Fd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
    CHECK(test::error_of(tree.open_below(proc.get(), "self/status", O_RDONLY)) == ELOOP);
    CHECK(test::error_of(tree.open_below(proc.get(), "self", O_RDONLY)) == ELOOP);
    // Another file system covers part of the tree.
    REQUIRE(::mount("none", "/proc/sys/net/unix", "tmpfs", 0, nullptr) == 0);
    test::write_file("/proc/sys/net/unix/max_dgram_qlen", "1");
    CHECK(error_of("unix/max_dgram_qlen") == EXDEV);
    test::unmount("/proc/sys/net/unix");
  }
}

TEST_CASE("both walks open for reading and for writing what the flags say") {
  const test::TestNetns netns;
  for (const SysctlTree::Walk walk : {SysctlTree::Walk::openat2, SysctlTree::Walk::by_step}) {
    CAPTURE(static_cast<int>(walk));
    const SysctlTree tree(walk);
    test::inside(netns.path(), [&] {
      const auto both = tree.open_below(tree.root(), "ipv4/ip_forward", O_RDWR);
      REQUIRE(both.ok());
      CHECK(::pwrite(both->get(), "1", 1, 0) == 1);
      CHECK(read_at_start(both->get()) == "1\n");
      CHECK(test::error_of(tree.open_below(tree.root(), "ipv4/tcp_allowed_congestion_control", O_RDWR)) == EACCES);
      CHECK(tree.open_below(tree.root(), "ipv4", O_PATH | O_DIRECTORY).ok());
    });
  }
}

TEST_CASE("a child netns lacks some keys, and others are read-only there (kernel fact 30)") {
  const test::TestNetns netns;
  test::inside(netns.path(), [] {
    const Fd absent(::open("/proc/sys/net/core/netdev_max_backlog", O_RDONLY | O_CLOEXEC));
    CHECK((!absent && errno == ENOENT));
    const Fd read_only(::open("/proc/sys/net/ipv4/tcp_allowed_congestion_control", O_RDWR | O_CLOEXEC));
    CHECK((!read_only && errno == EACCES));
  });
}

}  // namespace
}  // namespace nswarden
