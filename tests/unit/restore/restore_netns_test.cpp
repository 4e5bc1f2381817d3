// SPDX-License-Identifier: Apache-2.0
#include <nswarden/restore/restore_netns.hpp>

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "fake_kernel.hpp"

namespace nswarden {
namespace {

using test::FakeKernel;
using test::FakeNetns;
using Kind = Restored::Kind;

const std::string forward = "ipv4/ip_forward";
const std::string all = "ipv4/conf/all/forwarding";
const std::string eth0 = "ipv4/conf/eth0/forwarding";
const std::string ports = "ipv4/ip_local_reserved_ports";
const std::string alive = "ipv4/tcp_keepalive_time";

struct Written {
  std::string path;
  std::string found;
  std::string stored;
};

std::vector<RestoreBook::Entry> entries(const std::vector<Written>& written) {
  RestoreBook book;
  for (const Written& write : written) book.note(1, {Key::at(write.path).value(), "p", write.found, write.stored});
  return book.entries(1);
}

using Values = std::map<std::string, std::string>;

struct Scene {
  FakeKernel kernel;
  FakeKernel::NetnsPtr netns;

  explicit Scene(Values values) { netns = kernel.add("r", std::move(values)); }
  std::vector<Restored> restore(const std::vector<Written>& written) {
    return restore_netns(kernel, {netns->cookie, 0, "r"}, entries(written), {});
  }
  std::vector<Kind> outcomes(const std::vector<Written>& written) {
    std::vector<Kind> outcomes;
    for (const Restored& one : restore(written)) outcomes.push_back(one.kind);
    return outcomes;
  }
  [[nodiscard]] std::string value(const std::string& path) const { return netns->keys.at(path).value; }
  [[nodiscard]] std::vector<std::string> writes() const {
    std::vector<std::string> writes;
    for (const std::string& line : kernel.journal) {
      if (line.starts_with("write")) writes.push_back(line);
    }
    return writes;
  }
};

}  // namespace

TEST_CASE("one value is put back only where it is still what we stored") {
  struct Row {
    std::string description;
    std::string have;
    std::string found;
    std::string stored;
    Kind outcome;
    std::size_t writes;
    std::string after;
  };
  const std::vector<Row> rows{
      {"ours", "600", "7200", "600", Kind::restored, 1, "7200\n"},
      {"ours, as the kernel prints it", "4096\t87380\t6291456", "1 2 3", "4096 87380 6291456", Kind::restored, 1, "1 2 3\n"},
      {"somebody else's", "5", "7200", "600", Kind::changed_by_others, 0, "5\n"},
      {"put back by somebody else", "7200", "7200", "600", Kind::restored, 0, "7200\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.description);
    Scene scene(Values{{alive, row.have}});
    const auto results = scene.restore({{alive, row.found, row.stored}});
    REQUIRE(results.size() == 1);
    CHECK(results[0].kind == row.outcome);
    CHECK(results[0].have == normalised(row.after));
    CHECK(scene.writes().size() == row.writes);
    CHECK(scene.value(alive) == row.after);
  }
}

TEST_CASE("values are compared by what they mean, and an empty list is put back by a newline") {
  Scene scene(Values{{ports, "8080-8082"}});
  scene.netns->keys[ports].store = [](std::string_view value) { return value.empty() ? "8080-8082\n" : std::string(value); };
  CHECK(scene.outcomes({{ports, "", "8080,8081,8082"}}) == std::vector{Kind::restored});
  CHECK(scene.value(ports) == "\n");
}

TEST_CASE("what was found is written in write order, and what a write sets right by itself is not written") {
  Scene scene(Values{{forward, "1"}, {all, "1"}, {eth0, "1"}, {alive, "600"}});
  scene.netns->keys[forward].side_effect = [](FakeNetns& netns) { netns.keys[all].value = netns.keys[eth0].value = "0\n"; };
  CHECK(scene.outcomes({{eth0, "0", "1"}, {all, "0", "1"}, {alive, "7200", "600"}, {forward, "0", "1"}}) ==
        std::vector<Kind>(4, Kind::restored));
  CHECK(scene.writes() == std::vector<std::string>{"write r " + forward + "=0", "write r " + alive + "=7200"});
}

TEST_CASE("what our own write changed is still ours, and is put back after it") {
  Scene scene(Values{{all, "1"}, {eth0, "1"}});
  scene.netns->keys[all].side_effect = [](FakeNetns& netns) { netns.keys[eth0].value = "5\n"; };
  CHECK(scene.outcomes({{all, "0", "1"}, {eth0, "2", "1"}}) == std::vector<Kind>(2, Kind::restored));
  CHECK(scene.value(eth0) == "2\n");
}

TEST_CASE("what others changed is as they left it afterwards, even where a write of ours overwrites it") {
  Scene scene(Values{{all, "1"}, {eth0, "7"}});
  scene.netns->keys[all].side_effect = [](FakeNetns& netns) { netns.keys[eth0].value = "0\n"; };
  CHECK(scene.outcomes({{all, "0", "1"}, {eth0, "0", "1"}}) == std::vector{Kind::restored, Kind::changed_by_others});
  CHECK(scene.value(eth0) == "7\n");
}

TEST_CASE("two values that undo each other are written twice each and no more, and told as failed") {
  Scene scene(Values{{all, "1"}, {eth0, "1"}});
  scene.netns->keys[all].side_effect = [](FakeNetns& netns) { netns.keys[eth0].value = "1\n"; };
  scene.netns->keys[eth0].side_effect = [](FakeNetns& netns) { netns.keys[all].value = "1\n"; };
  const auto results = scene.restore({{all, "0", "1"}, {eth0, "0", "1"}});
  CHECK(scene.writes().size() <= 4);
  CHECK((results[0].kind == Kind::failed || results[1].kind == Kind::failed));
}

TEST_CASE("keys that have gone are told, and the others are put back all the same") {
  Scene scene(Values{{alive, "600"}});
  CHECK(scene.outcomes({{alive, "7200", "600"}, {eth0, "0", "1"}}) == std::vector{Kind::restored, Kind::gone});
}

TEST_CASE("a key that goes away while others are written is gone") {
  Scene scene(Values{{alive, "600"}, {eth0, "1"}});
  scene.netns->keys[alive].side_effect = [](FakeNetns& netns) { netns.keys.erase(eth0); };
  CHECK(scene.outcomes({{alive, "7200", "600"}, {eth0, "0", "1"}}) == std::vector{Kind::restored, Kind::gone});
}

TEST_CASE("a write that is refused is told with its errno and is not made again, and the others are put back all the same") {
  Scene scene(Values{{forward, "1"}, {alive, "600"}});
  scene.netns->keys[forward].write_error = EROFS;
  const auto results = scene.restore({{forward, "0", "1"}, {alive, "7200", "600"}});
  CHECK(results[0].kind == Kind::failed);
  CHECK(results[0].error == EROFS);
  CHECK(results[0].have == "1");
  CHECK(results[1].kind == Kind::restored);
  CHECK(scene.writes().size() == 2);
}

TEST_CASE("a value that the kernel makes another one of is told as failed without an errno") {
  Scene scene(Values{{alive, "600"}});
  scene.netns->keys[alive].store = [](std::string_view) { return "3\n"; };
  const auto results = scene.restore({{alive, "7200", "600"}});
  CHECK(results[0].kind == Kind::failed);
  CHECK(results[0].error == 0);
  CHECK(results[0].have == "3");
  CHECK(scene.writes().size() == 2);
}

TEST_CASE("a value that cannot be read is never written") {
  Scene scene(Values{{alive, "600"}});
  scene.netns->keys[alive].read_error = EACCES;
  const auto results = scene.restore({{alive, "7200", "600"}});
  CHECK(results[0].kind == Kind::failed);
  CHECK(results[0].error == EACCES);
  CHECK(scene.writes().empty());
}

TEST_CASE("a write that is handed over counts as failed until its end is told") {
  Scene scene(Values{{forward, "1"}});
  scene.netns->keys[forward].slow = true;
  const auto results = scene.restore({{forward, "0", "1"}});
  CHECK(results[0].kind == Kind::failed);
  CHECK(results[0].error == EAGAIN);
}

TEST_CASE("another netns under the name is not touched") {
  Scene scene(Values{{alive, "600"}});
  scene.kernel.remove("r");
  const auto successor = scene.kernel.add("r", {{alive, "600"}}, scene.netns->inode);
  CHECK(scene.outcomes({{alive, "7200", "600"}}) == std::vector{Kind::netns_gone});
  CHECK(scene.writes().empty());
  CHECK(successor->keys[alive].value == "600\n");
}

TEST_CASE("where no netns is, or it cannot be entered, nothing is written") {
  Scene scene(Values{{alive, "600"}});
  scene.netns->enter_error = EPERM;
  const auto refused = scene.restore({{alive, "7200", "600"}});
  CHECK(refused[0].kind == Kind::failed);
  CHECK(refused[0].error == EPERM);
  scene.kernel.place("r", EntryKind::placeholder);
  CHECK(scene.outcomes({{alive, "7200", "600"}}) == std::vector{Kind::netns_gone});
  scene.kernel.entries.clear();
  CHECK(scene.outcomes({{alive, "7200", "600"}}) == std::vector{Kind::netns_gone});
  CHECK(scene.writes().empty());
}

TEST_CASE("a netns that dies between any two steps is told as gone, and nothing else is touched") {
  for (std::size_t step = 0; step < 6; ++step) {
    CAPTURE(step);
    Scene scene(Values{{alive, "600"}, {forward, "1"}});
    std::size_t calls = 0;
    scene.kernel.before = [&](std::string_view) {
      if (calls++ == step && scene.netns->alive) scene.kernel.remove("r");
    };
    const auto outcomes = scene.outcomes({{alive, "7200", "600"}, {forward, "0", "1"}});
    CHECK(outcomes == std::vector<Kind>(2, scene.netns->alive ? Kind::restored : Kind::netns_gone));
  }
}

TEST_CASE("somebody who changes values between any two steps never makes us write more than twice a key") {
  for (std::size_t step = 0; step < 8; ++step) {
    CAPTURE(step);
    Scene scene(Values{{alive, "600"}, {forward, "1"}});
    std::size_t calls = 0;
    scene.kernel.before = [&](std::string_view) {
      if (calls++ >= step) scene.netns->keys[alive].value = "5\n";
    };
    const auto results = scene.restore({{alive, "7200", "600"}, {forward, "0", "1"}});
    CHECK(scene.writes().size() <= 4);
    CHECK(scene.value(forward) == "0\n");
    for (const Restored& one : results) CHECK(one.have == normalised(scene.value(one.entry.key.path())));
  }
}

}  // namespace nswarden
