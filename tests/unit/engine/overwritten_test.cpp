// SPDX-License-Identifier: Apache-2.0
// Reports of values overwritten by policies with `restore`.
#include <nswarden/engine/reconciler.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "fake_kernel.hpp"

namespace nswarden {
namespace {

using test::FakeKernel;
using test::FakeNetns;
using Values = std::map<std::string, std::string>;

const std::string all = "ipv4/conf/all/forwarding";
const std::string eth0 = "ipv4/conf/eth0/forwarding";
const std::string alive = "ipv4/tcp_keepalive_time";

std::shared_ptr<const PolicySet> wanting(const std::vector<std::pair<std::string, std::string>>& sysctls, bool restore) {
  Config config;
  PolicyConfig& policy = config.policies.emplace_back();
  policy.name = "p";
  policy.netns.push_back(std::get<Pattern>(Pattern::compile("^r")));
  policy.restore = restore;
  for (const auto& [path, want] : sysctls) {
    policy.sysctls.push_back({std::get<KeyPattern>(KeyPattern::parse("net/" + path)), Want::equal(want), {}});
  }
  return std::make_shared<PolicySet>(config, PolicySet::Audit::as_configured);
}

struct Scene {
  FakeKernel kernel;
  FakeKernel::NetnsPtr netns;
  Reconciler reconciler;
  Time now{std::chrono::hours(1)};

  Scene(Values values, const std::vector<std::pair<std::string, std::string>>& sysctls, bool restore = true)
      : netns(kernel.add("r", std::move(values))), reconciler(kernel, wanting(sysctls, restore), {1000}) {}

  /// "PATH: FOUND -> STORED" of each value overwritten in one sweep.
  std::vector<std::string> sweep() {
    reconciler.begin_sweep();
    reconciler.list(NetnsCatalog::Detail::full, now);
    return settle();
  }
  std::vector<std::string> settle() {
    while (reconciler.work()) reconciler.step(64, now);
    std::vector<std::string> lines;
    for (const Report& report : reconciler.take_reports()) {
      for (const Overwritten& one : report.overwritten) {
        lines.push_back(one.key.path() + ": " + one.found + " -> " + one.stored);
        CHECK(report.cookie == netns->cookie);
      }
    }
    return lines;
  }
};

}  // namespace

TEST_CASE("each write of a policy that restores tells what it found and what is stored") {
  Scene scene(Values{{alive, "7200"}, {all, "1"}}, {{alive, "600"}, {all, "1"}});
  CHECK(scene.sweep() == std::vector<std::string>{alive + ": 7200 -> 600"});
  CHECK(scene.sweep().empty());
  scene.netns->keys[alive].value = "5\n";
  CHECK(scene.sweep() == std::vector<std::string>{alive + ": 5 -> 600"});
}

TEST_CASE("a policy that does not restore tells nothing") {
  Scene scene(Values{{alive, "7200"}}, {{alive, "600"}}, false);
  CHECK(scene.sweep().empty());
  CHECK(scene.netns->keys[alive].value == "600\n");
}

TEST_CASE("what our own write changed tells the value from before it") {
  Scene scene(Values{{all, "0"}, {eth0, "5"}}, {{all, "1"}, {eth0, "0"}});
  scene.netns->keys[all].side_effect = [](FakeNetns& netns) { netns.keys[eth0].value = "1\n"; };
  CHECK(scene.sweep() == std::vector<std::string>{all + ": 0 -> 1", eth0 + ": 5 -> 0"});
}

TEST_CASE("what our own write undid is told as it was, which is nothing to put back") {
  Scene scene(Values{{all, "0"}, {eth0, "0"}}, {{all, "1"}, {eth0, "0"}});
  scene.netns->keys[all].side_effect = [](FakeNetns& netns) { netns.keys[eth0].value = "1\n"; };
  CHECK(scene.sweep() == std::vector<std::string>{all + ": 0 -> 1", eth0 + ": 0 -> 0"});
}

TEST_CASE("the same holds for writes that another thread makes") {
  Scene scene(Values{{all, "0"}, {eth0, "5"}}, {{all, "1"}, {eth0, "0"}});
  for (const std::string& path : {all, eth0}) scene.netns->keys[path].slow = true;
  CHECK(scene.sweep().empty());
  scene.netns->keys[all].value = scene.netns->keys[eth0].value = "1\n";
  scene.reconciler.written(scene.netns->inode, 0, 0);
  CHECK(scene.settle() == std::vector<std::string>{all + ": 0 -> 1"});
  scene.netns->keys[eth0].value = "0\n";
  scene.reconciler.written(scene.netns->inode, 1, 0);
  CHECK(scene.settle() == std::vector<std::string>{eth0 + ": 5 -> 0"});
}

TEST_CASE("a value that the kernel clamps is told as stored, with what was there before the first try") {
  Scene scene(Values{{alive, "7200"}}, {{alive, "600"}});
  scene.netns->keys[alive].store = [](std::string_view) { return "1000\n"; };
  CHECK(scene.sweep() == std::vector<std::string>{alive + ": 7200 -> 1000"});
}

TEST_CASE("a value that somebody else changes before it is read back is not told as stored by us") {
  Scene scene(Values{{alive, "7200"}}, {{alive, "600"}});
  int number = 0;
  scene.kernel.before = [&](std::string_view operation) {
    if (operation.starts_with("read") && scene.kernel.count("write") > 0 && number < 2) {
      scene.netns->keys[alive].value = std::to_string(++number) + "\n";
    }
  };
  CHECK(scene.sweep().empty());
  scene.now += std::chrono::hours(2);
  CHECK(scene.sweep() == std::vector<std::string>{alive + ": 7200 -> 600"});
}

}  // namespace nswarden
