// SPDX-License-Identifier: Apache-2.0
// Description of the process behind a write; a process that may be another one is not described.
#include <nswarden/netns/sysctl_watcher.hpp>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "catch.hpp"
#include "writer_process.hpp"

namespace nswarden {
namespace {

using test::WriterProcess;

Fd pidfd_of(pid_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

std::string exe_of_self() {
  std::string path(4096, '\0');
  path.resize(static_cast<std::size_t>(::readlink("/proc/self/exe", path.data(), path.size())));
  return path;
}

void check_only_pid_and_time(const Writer& writer, std::int64_t pid) {
  CHECK(writer.pid == pid);
  CHECK(writer.time == 12.5);
  CHECK(writer.comm.empty());
  CHECK(writer.exe.empty());
  CHECK_FALSE(writer.uid);
  CHECK(writer.cgroup.empty());
  CHECK(writer.container.empty());
  CHECK(writer.unit.empty());
}

TEST_CASE("a living writer is told by name, program, user and cgroup") {
  const WriterProcess process([] { return ::prctl(PR_SET_NAME, "odd\nname") == 0; });
  const Writer writer = describe_writer(process.pid(), pidfd_of(process.pid()), 12.5);
  CHECK(writer.pid == process.pid());
  CHECK(writer.time == 12.5);
  CHECK(writer.comm == "odd\nname");
  CHECK(writer.exe == exe_of_self());
  CHECK(writer.uid == 0U);
  std::string expected;
  if (FILE* own = std::fopen("/proc/self/cgroup", "re"); own != nullptr) {
    char line[4096];
    while (std::fgets(line, sizeof line, own) != nullptr) {
      if (std::string(line).rfind("0::", 0) == 0) expected = std::string(line + 3, std::string(line).size() - 4);
    }
    std::fclose(own);
  }
  CHECK(writer.cgroup == expected);
}

TEST_CASE("the user of a writer is the effective one") {
  const WriterProcess process([] { return ::setresuid(0, 1234, 0) == 0; });
  CHECK(describe_writer(process.pid(), pidfd_of(process.pid()), 0).uid == 1234U);
}

TEST_CASE("a zombie has a name and no program, a reaped one nothing at all") {
  WriterProcess process([] { return ::prctl(PR_SET_NAME, "gone soon") == 0; });
  const Fd pidfd = pidfd_of(process.pid());
  process.end();
  const Writer zombie = describe_writer(process.pid(), pidfd, 12.5);
  CHECK(zombie.comm == "gone soon");
  CHECK(zombie.exe.empty());
  CHECK(zombie.uid == 0U);
  process.reap();
  check_only_pid_and_time(describe_writer(process.pid(), pidfd, 12.5), process.pid());
}

TEST_CASE("without a pidfd nothing is told, whoever has the number") {
  check_only_pid_and_time(describe_writer(::getpid(), Fd(), 12.5), ::getpid());
  check_only_pid_and_time(describe_writer(0, Fd(), 12.5), 0);
}

TEST_CASE("who may not send it a signal can still tell who it is") {
  const WriterProcess process([] { return true; });
  const Fd pidfd = pidfd_of(process.pid());
  Writer writer;
  test::as_nobody(test::Keep::nothing, [&] {
    ::prctl(PR_SET_DUMPABLE, 1L);  // as after exec; the change of user ended it
    writer = describe_writer(process.pid(), pidfd, 0);
  });
  CHECK(writer.uid == 0U);
  CHECK_FALSE(writer.comm.empty());
  CHECK(writer.exe.empty());  // reading it requires CAP_SYS_PTRACE
}

TEST_CASE("a kernel thread is told by its name") {
  std::string comm(64, '\0');
  const Fd file(::open("/proc/2/comm", O_RDONLY | O_CLOEXEC));
  const ssize_t size = file ? ::read(file.get(), comm.data(), comm.size()) : -1;
  if (size <= 0 || comm.substr(0, 8) != "kthreadd") {
    WARN("skipped: no kernel thread is visible here");
    return;
  }
  const Writer writer = describe_writer(2, pidfd_of(2), 0);
  CHECK(writer.comm == "kthreadd");
  CHECK(writer.exe.empty());
  CHECK(writer.uid == 0U);
}

}  // namespace
}  // namespace nswarden
