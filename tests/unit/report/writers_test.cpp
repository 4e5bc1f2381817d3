// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>
#include <catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/report/writers.hpp>

namespace {

using namespace nswarden;

constexpr std::uint64_t netns = 4026532001;

SysctlWrite write(std::uint64_t inode, std::int64_t pid, std::optional<SysctlFiles::Place> place = {}) {
  SysctlWrite result;
  result.inode = inode;
  result.place = place;
  result.pid = pid;
  return result;
}

std::vector<SysctlWrite> list(SysctlWrite one) {
  std::vector<SysctlWrite> writes;
  writes.push_back(std::move(one));
  return writes;
}

/// Files 1 and 2 are settings 0 and 1 of `netns`.
struct Site {
  SysctlFiles files;
  std::vector<std::int64_t> described;
  Writers writers{files, [this](std::int64_t pid, const Fd&, double time) {
                    described.push_back(pid);
                    Writer writer;
                    writer.pid = pid;
                    writer.time = time;
                    return writer;
                  }};
  Site() {
    files.add(1, {netns, 0});
    files.add(2, {netns, 1});
  }
  void take(std::uint64_t inode, std::int64_t pid) { writers.add_writes(list(write(inode, pid, files.find(inode))), 17.5); }
  std::int64_t pid_of(std::uint64_t of, std::uint32_t setting) {
    const auto writer = writers.writer_of(of, setting);
    return writer ? writer->pid : -1;
  }
};

KnownWriter known(std::int64_t pid) {
  Writer writer;
  writer.pid = pid;
  return std::make_shared<const Writer>(writer);
}

}  // namespace

TEST_CASE("a write names the writer of its own file and of no other") {
  Site site;
  site.take(1, 70);
  REQUIRE(site.writers.writer_of(netns, 0));
  CHECK(site.writers.writer_of(netns, 0)->pid == 70);
  CHECK(site.writers.writer_of(netns, 0)->time == 17.5);
  CHECK_FALSE(site.writers.writer_of(netns, 1));
  CHECK_FALSE(site.writers.writer_of(netns + 1, 0));
}

TEST_CASE("only the writer that is asked for is looked at, once") {
  Site site;
  site.take(1, 70);
  site.take(2, 71);
  site.take(1, 70);
  CHECK(site.described.empty());
  CHECK(site.pid_of(netns, 0) == 70);
  CHECK(site.pid_of(netns, 0) == 70);
  CHECK(site.described == std::vector<std::int64_t>{70});
}

TEST_CASE("of two processes that wrote the same file in one turn nobody knows which was the last") {
  Site site;
  site.take(1, 70);
  site.take(1, 72);
  CHECK_FALSE(site.writers.writer_of(netns, 0));
  site.writers.end_turn();
  site.take(1, 72);
  CHECK(site.pid_of(netns, 0) == 72);
}

TEST_CASE("after the turn nobody has written anything") {
  Site site;
  site.take(1, 70);
  site.writers.end_turn();
  CHECK_FALSE(site.writers.writer_of(netns, 0));
}

TEST_CASE("a write to a file that nobody knew names its writer once the file is known") {
  Site site;
  site.writers.add_writes(list(write(3, 70)), 1);
  CHECK(site.described == std::vector<std::int64_t>{70});  // now, since the process may call exec before the file is known
  CHECK_FALSE(site.writers.writer_of(netns, 1));
  site.files.add(3, {netns, 1});
  CHECK(site.pid_of(netns, 1) == 70);
}

TEST_CASE("a write to a file that nobody knows outlives its turn, until the file is known or a sweep is done") {
  Site site;
  site.writers.add_writes(list(write(3, 70)), 1);
  site.writers.add_writes(list(write(4, 71)), 1);
  site.writers.end_turn();
  site.take(1, 72);
  site.writers.end_turn();
  site.files.add(3, {netns, 1});
  CHECK(site.pid_of(netns, 1) == 70);
  site.take(1, 72);
  CHECK_FALSE(site.writers.writer_of(netns, 1));
  site.writers.end_search();
  site.files.add(4, {netns, 1});
  CHECK_FALSE(site.writers.writer_of(netns, 1));
}

TEST_CASE("a file that stands for something else since the write, or for nothing, names nobody") {
  Site site;
  site.take(1, 70);
  site.files.add(1, {netns, 1});
  CHECK_FALSE(site.writers.writer_of(netns, 0));
  CHECK_FALSE(site.writers.writer_of(netns, 1));
  site.files.remove(1);
  CHECK_FALSE(site.writers.writer_of(netns, 0));
}

TEST_CASE("a process of which nothing can be told is no writer") {
  Site site;
  site.take(1, 0);
  CHECK_FALSE(site.writers.writer_of(netns, 0));
}

TEST_CASE("the pidfd of a write is there when its writer is looked at, and closed after the turn") {
  SysctlFiles files;
  files.add(1, {netns, 0});
  int seen = -1;
  Writers writers(files, [&](std::int64_t pid, const Fd& pidfd, double) {
    seen = pidfd.get();
    Writer writer;
    writer.pid = pid;
    return writer;
  });
  SysctlWrite one = write(1, 70, files.find(1));
  one.pidfd = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int fd = one.pidfd.get();
  REQUIRE(fd >= 0);
  writers.add_writes(list(std::move(one)), 1);
  REQUIRE(writers.writer_of(netns, 0));
  CHECK(seen == fd);
  CHECK(::fcntl(fd, F_GETFD) != -1);
  writers.end_turn();
  CHECK(::fcntl(fd, F_GETFD) == -1);
}

TEST_CASE("of more writes than are kept the newest are") {
  Site site;
  site.take(2, 71);
  for (std::size_t i = 0; i < Writers::max_writes; ++i) site.take(1, 70);
  CHECK(site.pid_of(netns, 0) == 70);
  CHECK_FALSE(site.writers.writer_of(netns, 1));
}

TEST_CASE("who made the last drift of a setting is known until somebody unknown makes one or its netns goes") {
  Site site;
  site.writers.remember("q-1", "net.a", known(70));
  site.writers.remember("q-1", "net.b", known(71));
  site.writers.remember("q-10", "net.a", known(72));
  CHECK(site.writers.last_writer("q-1", "net.a")->pid == 70);
  site.writers.remember("q-1", "net.a", known(73));
  CHECK(site.writers.last_writer("q-1", "net.a")->pid == 73);
  site.writers.remember("q-1", "net.a", nullptr);
  CHECK_FALSE(site.writers.last_writer("q-1", "net.a"));
  CHECK(site.writers.last_writer("q-1", "net.b")->pid == 71);
  site.writers.forget("q-1");
  CHECK_FALSE(site.writers.last_writer("q-1", "net.b"));
  CHECK(site.writers.last_writer("q-10", "net.a")->pid == 72);
}

TEST_CASE("of more settings than are kept the one that was named the longest ago goes") {
  Site site;
  for (std::size_t i = 0; i < Writers::max_settings; ++i) site.writers.remember(std::to_string(i), "k", known(70));
  site.writers.remember("0", "k", known(71));
  site.writers.remember("more", "k", known(72));
  CHECK(site.writers.last_writer("0", "k"));
  CHECK_FALSE(site.writers.last_writer("1", "k"));
  CHECK(site.writers.last_writer("2", "k"));
  CHECK(site.writers.last_writer("more", "k"));
}

TEST_CASE("a finding stands beside who made its drift, where that is known") {
  Site site;
  site.writers.remember("q-1", "net.b", known(70));
  Finding a;
  a.netns = "q-1";
  a.key = "net.a";
  Finding b = a;
  b.key = "net.b";
  const auto drift = site.writers.with_writers({a, b});
  REQUIRE(drift.size() == 2);
  CHECK(drift[0].finding.key == "net.a");
  CHECK_FALSE(drift[0].writer);
  REQUIRE(drift[1].writer);
  CHECK(drift[1].writer->pid == 70);
}
