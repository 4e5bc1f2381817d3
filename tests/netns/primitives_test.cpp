// SPDX-License-Identifier: Apache-2.0
// The basic parts that the loop uses.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include <nswarden/os/file.hpp>
#include <nswarden/os/poller.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/os/signals.hpp>
#include "bound_keys.hpp"
#include "catch.hpp"
#include "open_files.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST_CASE("signals wait to be read, each by its number, and SIGPIPE is dropped") {
  // A separate thread confines the signal mask.
  std::vector<int> read;
  bool idle = false;
  std::thread([&] {
    Signals signals;
    idle = !signals.read();
    for (const int signal : {SIGHUP, SIGPIPE, SIGTERM}) ::pthread_kill(::pthread_self(), signal);
    while (const auto signal = signals.read()) read.push_back(*signal);
  }).join();
  CHECK(idle);
  CHECK(read == std::vector<int>{SIGHUP, SIGTERM});
}

TEST_CASE("a waker wakes a waiting poller from another thread, and is quiet again when read") {
  Poller poller;
  const Waker waker;
  REQUIRE(poller.add(waker.fd(), EPOLLIN, 7).ok());
  CHECK(poller.wait(0ns).empty());
  CHECK_FALSE(waker.read());
  std::thread other([&] {
    waker.wake();
    waker.wake();
  });
  const auto ready = poller.wait(Poller::forever);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].token == 7);
  CHECK(ready[0].events == EPOLLIN);
  other.join();
  CHECK(waker.read());
  CHECK_FALSE(waker.read());
  CHECK(poller.wait(0ns).empty());
}

TEST_CASE("a poller keeps an fd that is added again as it is, and forgets one that is closed") {
  Poller poller;
  {
    const Waker waker;
    waker.wake();
    REQUIRE(poller.add(waker.fd(), EPOLLIN, 1).ok());
    REQUIRE(poller.add(waker.fd(), EPOLLPRI, 2).ok());
    REQUIRE(poller.wait(0ns).size() == 1);
    CHECK(poller.wait(0ns)[0].token == 1);
  }
  CHECK(poller.wait(0ns).empty());
  CHECK(test::error_of(poller.add(-1, EPOLLIN, 1)) == EBADF);
}

TEST_CASE("a mount is still reported when the mount table's fd is added again before the next wait") {
  const test::TempDir dir;
  const Fd mounts(::open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC));
  Poller poller;
  REQUIRE(poller.add(mounts.get(), EPOLLPRI, 1).ok());
  CHECK(poller.wait(0ns).empty());
  test::bind_mount("/proc/version", dir / "file");
  REQUIRE(poller.add(mounts.get(), EPOLLPRI, 1).ok());
  CHECK(poller.wait(0ns).size() == 1);
  CHECK(poller.wait(0ns).empty());
  test::unmount(dir / "file");
}

TEST_CASE("a poller never returns before its timeout, with or without epoll_pwait2") {
  const auto check = [] {
    Poller poller;
    for (const auto timeout : {-1ns, 0ns, 1ns, 300000ns, 2500000ns}) {
      const auto start = Clock::now();
      CHECK(poller.wait(timeout).empty());
      CHECK(Clock::now() - start >= timeout);
    }
    const Waker waker;
    waker.wake();
    REQUIRE(poller.add(waker.fd(), EPOLLIN, 1).ok());
    CHECK(poller.wait(Poller::forever).size() == 1);
    CHECK(poller.wait(std::chrono::hours(24 * 365)).size() == 1);
  };
  SECTION("with") { check(); }
  SECTION("without") { test::on_older_kernel(check); }
}

TEST_CASE("a poller returns with nothing when a signal handler ran") {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction before {};
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
  Poller poller;
  const pthread_t self = ::pthread_self();
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) {
      ::pthread_kill(self, SIGUSR1);
      std::this_thread::sleep_for(1ms);
    }
  });
  CHECK(poller.wait(Poller::forever).empty());
  done = true;
  other.join();
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
}

TEST_CASE("the limit of open files is raised to the hard one (kernel fact 20)") {
  const std::size_t before = open_files_limit();
  REQUIRE(test::set_open_files_limit(100).ok());
  CHECK(open_files_limit() == 100);
  const auto raised = raise_open_files();
  REQUIRE(raised.ok());
  CHECK(*raised >= before);
  CHECK(open_files_limit() == *raised);
  CHECK_FALSE(test::set_open_files_limit(*raised + 1).ok());
  REQUIRE(test::set_open_files_limit(before).ok());
}

TEST_CASE("short turns are had where the kernel has such a thing, by one thread alone, and the niceness stays") {
  // A separate thread confines the scheduling attributes. Policy, niceness and slice are within 48 bytes that are equal in all
  // versions.
  const auto attributes = [] {
    std::array<std::uint64_t, 6> found{};
    ::syscall(SYS_sched_getattr, 0, found.data(), sizeof found, 0);
    return found;
  };
  std::array<std::uint64_t, 6> before{};
  std::array<std::uint64_t, 6> after{};
  std::array<std::uint64_t, 6> child{};
  std::thread([&] {
    REQUIRE(::nice(1) != -1);
    before = attributes();
    request_short_slices();
    after = attributes();
    std::thread([&] { child = attributes(); }).join();
  }).join();
  CHECK(after[2] == before[2]);  // niceness and priority
  CHECK((before[3] == 0 || after[3] == 100'000));
  CHECK(child[2] == before[2]);
  CHECK(child[3] == before[3]);
}

TEST_CASE("what the process uses is measured") {
  const ProcessMeter meter;
  const auto first = meter.read();
  REQUIRE(first.ok());
  CHECK(first->resident_bytes > 1U << 20);
  CHECK(first->virtual_bytes >= first->resident_bytes);
  CHECK(first->max_fds == open_files_limit());
  const auto now = static_cast<double>(std::time(nullptr));
  CHECK(first->start_time_seconds > now - 3600);
  CHECK(first->start_time_seconds <= now + 1);

  std::array<Fd, 5> more;
  for (Fd& fd : more) fd.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto second = meter.read();
  CHECK(second->open_fds == first->open_fds + more.size());
  CHECK(second->start_time_seconds == first->start_time_seconds);
  CHECK(test::eventually([&] { return meter.read()->cpu_seconds > first->cpu_seconds; }));
}

TEST_CASE("a file is read whole, and all that is no such file has its own error") {
  const test::TempDir dir;
  test::write_file(dir / "text", "some text\n");
  test::write_file(dir / "empty", "");
  const std::string big(100000, 'x');
  test::write_file(dir / "big", big);
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  CHECK(*read_file(dir / "text", 100) == "some text\n");
  CHECK(*read_file(dir / "text", 10) == "some text\n");
  CHECK(*read_file(dir / "empty", 0) == "");
  CHECK(*read_file(dir / "big", 100000) == big);
  CHECK(test::error_of(read_file(dir / "text", 9)) == EFBIG);
  CHECK(test::error_of(read_file(dir / "big", 99999)) == EFBIG);
  CHECK(test::error_of(read_file(dir / "absent", 100)) == ENOENT);
  CHECK(test::error_of(read_file(dir.path(), 100)) == EISDIR);
  CHECK(test::error_of(read_file(dir / "fifo", 100)) == EINVAL);
  CHECK(test::error_of(read_file("/dev/null", 100)) == EINVAL);
  REQUIRE(::chmod((dir / "text").c_str(), 0) == 0);
  test::as_nobody(test::Keep::nothing, [&] { CHECK(test::error_of(read_file(dir / "text", 100)) == EACCES); });
}

/// Runs in a child: closes files 0, 1 and 2 according to the bits of `closed` and fills them. Returns 0 if the closed ones are
/// open as /dev/null, inherited by children, and the remaining ones are unchanged; otherwise the number of the failing file
/// plus 1.
int fill_without(unsigned closed) {
  std::array<struct stat, 3> before{};
  for (int fd = 0; fd < 3; ++fd) {
    const auto number = static_cast<std::size_t>(fd);
    // Any file other than /dev/null, regardless of the standard files of the test run.
    if (::dup2(::open("/dev/zero", O_RDWR | O_CLOEXEC), fd) != fd || ::fstat(fd, &before[number]) != 0) return 10;
  }
  for (int fd = 0; fd < 3; ++fd) {
    if ((closed & (1U << static_cast<unsigned>(fd))) != 0) ::close(fd);
  }
  fill_standard_fds();
  for (int fd = 0; fd < 3; ++fd) {
    const auto number = static_cast<std::size_t>(fd);
    struct stat now {};
    const bool open = ::fstat(fd, &now) == 0 && ::fcntl(fd, F_GETFD) == 0 && (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
    const bool filled = now.st_rdev == makedev(1, 3);
    const bool wished = (closed & (1U << static_cast<unsigned>(fd))) != 0;
    if (!open || filled != wished || (!wished && now.st_rdev != before[number].st_rdev)) return fd + 1;
  }
  return 0;
}

TEST_CASE("standard files that are closed become /dev/null, and those that are open stay") {
  for (unsigned closed = 0; closed < 8; ++closed) {
    CAPTURE(closed);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::_exit(fill_without(closed));
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}

}  // namespace
}  // namespace nswarden
