// SPDX-License-Identifier: Apache-2.0
// Writes that wait for RTNL (kernel fact 23), made by a separate thread.
#include <nswarden/netns/slow_writer.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <nswarden/netns/linux_catalog.hpp>

#include "bound_keys.hpp"
#include "catch.hpp"
#include "kernel.hpp"
#include "private_netns.hpp"
#include "rtnl_hold.hpp"

namespace nswarden {
namespace {

using test::Keys;
using test::open_sysctl;
using test::RtnlHold;

/// RtnlHold needs userfaultfd, which some containers do not permit.
#define NEEDS_RTNL_HOLD()                                                   \
  if (!RtnlHold::possible()) {                                              \
    WARN("skipped: without userfaultfd there is no way to hold RTNL here"); \
    return;                                                                 \
  }

std::string content(const Fd& file) {
  std::array<char, 64> bytes{};
  const ssize_t size = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  return {bytes.data(), size < 0 ? 0 : static_cast<std::size_t>(size)};
}

bool is_ready(const SlowWriter& writer) {
  pollfd polled{writer.fd(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

/// Polls, as the loop does, until `count` writes are done.
std::vector<SlowWriter::Done> take(SlowWriter& writer, std::size_t count) {
  std::vector<SlowWriter::Done> all;
  while (all.size() < count) {
    pollfd polled{writer.fd(), POLLIN, 0};
    REQUIRE(::poll(&polled, 1, 20000) == 1);
    for (const SlowWriter::Done& done : writer.take_done()) all.push_back(done);
  }
  CHECK(all.size() == count);
  return all;
}

std::set<std::string> threads() {
  std::set<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) all.insert(entry.path());
  return all;
}

std::set<std::string> threads_besides(const std::set<std::string>& before) {
  std::set<std::string> others;
  for (const std::string& thread : threads()) {
    if (before.count(thread) == 0) others.insert(thread);
  }
  return others;
}

/// Detects whether a writer's thread is blocked in a write: the kernel sleeps on the lock or retries it, depending on version
/// and key.
class WriterThread {
 public:
  explicit WriterThread(const std::set<std::string>& before) : stat_(threads_besides(before)) { REQUIRE(stat_.size() == 1); }
  /// Whether it waited since the previous call.
  [[nodiscard]] bool waits() {
    std::ifstream file(*stat_.begin() + "/stat");
    std::string line;
    std::getline(file, line);
    std::istringstream fields(line.substr(line.rfind(')') + 2));
    const std::vector<std::string> all{std::istream_iterator<std::string>(fields), {}};
    const long system_ticks = std::stol(all.at(12));
    const bool spins = system_ticks > ticks_ + 1;
    if (spins) ticks_ = system_ticks;
    return spins || all.at(0) == "D";
  }

 private:
  const std::set<std::string> stat_;
  long ticks_ = 0;
};

TEST_CASE("slow writes are made in the order in which they came, and each is told with its place and error") {
  const test::TestNetns netns;
  const Fd reader = open_sysctl(netns.path(), "net/ipv4/tcp_keepalive_time", O_RDONLY);
  SlowWriter writer;
  CHECK_FALSE(is_ready(writer));
  CHECK(writer.take_done().empty());
  for (std::uint32_t i = 1; i <= 100; ++i) {
    const bool is_invalid = i % 10 == 0;
    writer.write(open_sysctl(netns.path(), "net/ipv4/tcp_keepalive_time", O_WRONLY), is_invalid ? "x" : std::to_string(i),
                 {7, i});
  }
  writer.write(open_sysctl(netns.path(), "net/ipv4/tcp_keepalive_time", O_RDONLY), "5", {8, 1});
  const std::vector<SlowWriter::Done> done = take(writer, 101);
  for (std::uint32_t i = 1; i <= 100; ++i) {
    CAPTURE(i);
    CHECK(done[i - 1].place == SysctlFiles::Place{7, i});
    CHECK(done[i - 1].error == (i % 10 == 0 ? EINVAL : 0));
  }
  CHECK(done[100].place == SysctlFiles::Place{8, 1});
  CHECK(done[100].error == EBADF);
  CHECK(content(reader) == "99\n");
  CHECK(writer.take_done().empty());  // a write that completed during the last call woke the loop once more
  CHECK_FALSE(is_ready(writer));
}

TEST_CASE("a file that was written is closed, and its thread goes with the writer") {
  const test::TestNetns netns;
  const std::set<std::string> before = threads();
  std::array<int, 2> ends{};
  {
    SlowWriter writer;
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    writer.write(Fd(ends[1]), "x", {});
    CHECK(take(writer, 1)[0].error == ESPIPE);
    // End of file: the written end is closed everywhere.
    char byte = 0;
    CHECK(::read(ends[0], &byte, 1) == 0);
    ::close(ends[0]);
    CHECK(threads_besides(before).size() == 1);
  }
  // A thread leaves /proc a moment after it was joined.
  CHECK(test::eventually([&] { return threads_besides(before).empty(); }));
}

TEST_CASE("while another program holds RTNL the loop goes on, and the write is made afterwards (kernel fact 23)") {
  NEEDS_RTNL_HOLD();
  for (const Tier tier : test::all_tiers) {
    CAPTURE(static_cast<int>(tier));
    const test::TestNetns netns;
    const Keys keys({"net.ipv4.ip_forward", "net.ipv4.tcp_keepalive_time"});
    SlowWriter writer;
    LinuxCatalog catalog({test::netns_dir()});
    catalog.set_slow_writer(writer);
    Binding bound = test::bind(catalog, netns.name(), keys.key_requests(), tier);
    {
      const RtnlHold hold;
      const auto forward = bound.netns->write(0, "1");
      REQUIRE(forward);
      CHECK(*forward == BoundNetns::Write::handed_over);
      const auto time = bound.netns->write(1, "30");
      REQUIRE(time);
      CHECK(*time == BoundNetns::Write::done);
      const std::vector<std::string> waiting{"0\n", "30\n"};
      CHECK(test::eventually([&] { return test::read_all(*bound.netns) == waiting; }, std::chrono::seconds(20)));
      CHECK(writer.take_done().empty());
    }
    const std::vector<SlowWriter::Done> done = take(writer, 1);
    CHECK(done[0].place == SysctlFiles::Place{bound.id.inode, 0});
    CHECK(done[0].error == 0);
    CHECK(test::read_all(*bound.netns) == std::vector<std::string>{"1\n", "30\n"});
  }
}

TEST_CASE("when a netns is unbound its write is not made any more, unless it is under way, and its end is not told") {
  NEEDS_RTNL_HOLD();
  const test::TestNetns netns;
  const test::TestNetns later;
  const test::TestNetns last;
  const Keys keys({"net.ipv4.ip_forward"});
  const std::set<std::string> before = threads();
  SlowWriter writer;
  WriterThread thread(before);
  LinuxCatalog catalog({test::netns_dir()});
  catalog.set_slow_writer(writer);
  Binding kept = test::bind(catalog, last.name(), keys.key_requests(), Tier::held);
  {
    const RtnlHold hold;
    Binding first = test::bind(catalog, netns.name(), keys.key_requests(), Tier::held);
    Binding second = test::bind(catalog, later.name(), keys.key_requests(), Tier::held);
    CHECK(first.netns->write(0, "1").ok());
    REQUIRE(test::eventually([&] { return thread.waits(); }, std::chrono::seconds(20)));
    CHECK(second.netns->write(0, "1").ok());
    CHECK(kept.netns->write(0, "1").ok());
  }
  const std::vector<SlowWriter::Done> done = take(writer, 1);
  CHECK(done[0].place == SysctlFiles::Place{kept.id.inode, 0});
  CHECK(content(open_sysctl(netns.path(), "net/ipv4/ip_forward", O_RDONLY)) == "1\n");
  CHECK(content(open_sysctl(later.path(), "net/ipv4/ip_forward", O_RDONLY)) == "0\n");
  CHECK(content(open_sysctl(last.path(), "net/ipv4/ip_forward", O_RDONLY)) == "1\n");
}

TEST_CASE("what has become right while its write waited is not written again (kernel fact 26)") {
  const test::TestNetns netns;
  const Fd file = open_sysctl(netns.path(), "net/ipv4/tcp_keepalive_time", O_RDWR);
  REQUIRE(::pwrite(file.get(), "31", 2, 0) == 2);
  SlowWriter writer;
  const int seen = ::fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY);
  const Fd events(seen);
  REQUIRE(::fanotify_mark(seen, FAN_MARK_ADD | FAN_MARK_INODE, FAN_MODIFY, file.get(), nullptr) == 0);
  fanotify_event_metadata event{};
  writer.write(Fd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)), "31", {});
  CHECK(take(writer, 1)[0].error == 0);
  CHECK(::read(seen, &event, sizeof event) < 0);
  writer.write(Fd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)), "32", {});
  CHECK(take(writer, 1)[0].error == 0);
  CHECK(::read(seen, &event, sizeof event) == sizeof event);
  const Fd of_event(event.fd);
}

TEST_CASE("the end of a slow writer drops what has not begun, and does not wait for what hangs") {
  NEEDS_RTNL_HOLD();
  const test::TestNetns netns;
  const Fd forward = open_sysctl(netns.path(), "net/ipv4/ip_forward", O_RDWR);
  const Fd time = open_sysctl(netns.path(), "net/ipv4/tcp_keepalive_time", O_RDWR);
  const std::string time_before = content(time);
  const std::set<std::string> before = threads();
  auto writer = std::make_unique<SlowWriter>();
  WriterThread thread(before);
  RtnlHold hold;
  writer->write(Fd(::fcntl(forward.get(), F_DUPFD_CLOEXEC, 0)), "1", {});
  writer->write(Fd(::fcntl(time.get(), F_DUPFD_CLOEXEC, 0)), "31", {});
  REQUIRE(test::eventually([&] { return thread.waits(); }, std::chrono::seconds(20)));
  writer.reset();
  // While it waits for RTNL, the kernel repeatedly stores the value and reverts it.
  CHECK(test::eventually([&] { return content(forward) == "0\n"; }, std::chrono::seconds(20)));
  hold.release();
  CHECK(test::eventually([&] { return threads_besides(before).empty(); }, std::chrono::seconds(20)));
  CHECK(content(forward) == "1\n");
  CHECK(content(time) == time_before);
}

TEST_CASE("a slow writer takes no more files than it says, and the write that finds no room fails (EAGAIN)") {
  NEEDS_RTNL_HOLD();
  test::NetnsWithKeys world({"net.ipv4.ip_forward"});
  SlowWriter writer;
  world.catalog.set_slow_writer(writer);
  Binding bound = world.bind(Tier::held);
  {
    const RtnlHold hold;
    for (std::size_t i = 0; i < SlowWriter::max_files; ++i) CHECK(bound.netns->write(0, "1").ok());
    CHECK(test::error_of(bound.netns->write(0, "1")) == EAGAIN);
  }
  take(writer, SlowWriter::max_files);
  CHECK(bound.netns->write(0, "0").ok());
  CHECK(take(writer, 1)[0].error == 0);
  CHECK(test::read_all(*bound.netns) == std::vector<std::string>{"0\n"});
}

struct Try {
  Key key;
  Fd file;

  /// A value that differs from the current one.
  [[nodiscard]] std::string value() const {
    if (key.is_secret()) return "2001:db8::1";
    return content(file) == "0\n" ? "1" : "0";
  }
};

/// All writable keys of ipv4 and ipv6 in this netns.
std::vector<Try> all_keys(const test::TestNetns& netns) {
  std::vector<Try> all;
  test::inside(netns.path(), [&] {
    for (const std::string top : {"ipv4", "ipv6"}) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator("/proc/sys/net/" + top)) {
        const std::string path = entry.path();
        Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        auto key = Key::parse(path.substr(std::string("/proc/sys/").size()));
        if (file && std::holds_alternative<Key>(key)) all.push_back({std::get<Key>(key), std::move(file)});
      }
    }
  });
  return all;
}

TEST_CASE("the keys that are handed over are those that wait for RTNL, of all that ipv4 and ipv6 have (kernel fact 23)") {
  NEEDS_RTNL_HOLD();
  const test::TestNetns netns;
  test::inside(netns.path(), [] { test::add_bridge("br0"); });
  std::vector<Try> tries = all_keys(netns);
  const auto slow = std::partition(tries.begin(), tries.end(), [](const Try& each) { return !each.key.waits_for_rtnl(); });
  CHECK(slow - tries.begin() > 250);
  CHECK(tries.end() - slow > 20);
  const std::set<std::string> before = threads();
  SlowWriter writer;
  WriterThread thread(before);
  {
    const RtnlHold hold;
    for (auto each = tries.begin(); each != slow; ++each) {
      CAPTURE(each->key.name());
      writer.write(std::move(each->file), each->value(), {});
      take(writer, 1);
    }
  }
  // waits_for_rtnl() matches these by their last component, but Linux 6.18 refuses the first and takes no lock for the rest.
  const std::set<std::string> exempt{"net.ipv6.conf.all.stable_secret", "net.ipv4.conf.default.forwarding",
                                     "net.ipv6.conf.default.disable_ipv6", "net.ipv6.conf.default.disable_policy"};
  for (auto each = slow; each != tries.end(); ++each) {
    CAPTURE(each->key.name());
    const std::string value = each->value();
    Fd file(::fcntl(each->file.get(), F_DUPFD_CLOEXEC, 0));
    (void)thread.waits();
    {
      const RtnlHold hold;
      writer.write(std::move(file), value, {});
      CHECK(test::eventually([&] { return is_ready(writer) || thread.waits(); }, std::chrono::seconds(20)));
      const bool locks = !(test::running_kernel() < traits_of(each->key.path()).rtnl_since);
      if (locks && exempt.count(each->key.name()) == 0) CHECK_FALSE(is_ready(writer));
    }
    take(writer, 1);
  }
}

}  // namespace
}  // namespace nswarden
