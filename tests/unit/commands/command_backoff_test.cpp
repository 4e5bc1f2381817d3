// SPDX-License-Identifier: Apache-2.0
// Commands that keep failing: the interval between runs, and independence of other commands.
#include "commands/command_queue.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace nswarden;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

using Push = CommandQueue::Push;
using Kind = CommandQueue::Suspension::Kind;
using List = std::shared_ptr<const std::vector<std::string>>;

List list(std::vector<std::string> commands) { return std::make_shared<const std::vector<std::string>>(std::move(commands)); }

enum class Lifetime { event, life, end };  // end: an event that does not need the netns

CommandJob job(std::string netns, List commands, Lifetime lifetime = Lifetime::event) {
  return {std::move(netns), "policy", "event", std::move(commands), lifetime != Lifetime::end, lifetime == Lifetime::life};
}

struct Host {
  CommandQueue queue{{}};
  Time now{std::chrono::hours(1)};

  /// "netns:command", or empty if no command may run.
  std::string next() {
    const auto next = queue.next(now);
    return next ? next->job.netns + ":" + next->command : std::string{};
  }
  /// Runs all commands that may run now; returns the outcome of each finished list of "bad" or "good" commands.
  std::vector<Kind> run() {
    std::vector<Kind> all;
    while (const auto next = queue.next(now)) {
      const std::string error = next->command == "bad" ? "exit status 1" : "";
      all.push_back(queue.done(std::string(next->job.netns), error, now).kind);
    }
    return all;
  }
  std::vector<Kind> push_and_run(const List& commands, const std::string& netns = "a") {
    queue.push(job(netns, commands));
    return run();
  }
  void suspend(const List& commands, const std::string& netns = "a") {
    for (int i = 0; i < 4; ++i) REQUIRE(push_and_run(commands, netns) == std::vector{Kind::unchanged});
    REQUIRE(push_and_run(commands, netns) == std::vector{Kind::suspended});
  }
};

}  // namespace

TEST_CASE("commands that fail 5 times in 10 s are suspended, and those that fail now and then are not") {
  const List failing = list({"bad"});
  Host host;
  host.suspend(failing);
  CHECK(host.push_and_run(failing).empty());
  Host rare;
  for (int i = 0; i < 100; ++i) {
    CHECK(rare.push_and_run(failing) == std::vector{Kind::unchanged});
    rare.now += milliseconds(2501);
  }
}

TEST_CASE("what is asked for while commands are suspended becomes one run, when their time has come") {
  const List failing = list({"bad"});
  Host host;
  CHECK_FALSE(host.queue.due());
  host.suspend(failing);
  CHECK_FALSE(host.queue.due());
  CHECK(host.queue.push(job("a", failing)) == Push::queued);
  for (int i = 0; i < 10; ++i) {
    CHECK(host.run().empty());
    CHECK(host.queue.push(job("a", failing)) == Push::merged);
  }
  CHECK(host.queue.queued() == 1);
  REQUIRE(host.queue.due());
  CHECK(*host.queue.due() == host.now + seconds(1));
  host.now = *host.queue.due() - milliseconds(1);
  CHECK(host.run().empty());
  host.now += milliseconds(1);
  CHECK(host.run() == std::vector{Kind::still_suspended});
  CHECK_FALSE(host.queue.due());
  CHECK(host.queue.queued() == 0);
}

TEST_CASE("the time between two runs of suspended commands doubles up to 5 minutes, and ends with a success") {
  bool is_good = false;
  const List commands = list({"?"});
  Host host;
  const auto run_once = [&] {
    host.queue.push(job("a", commands));
    while (host.next().empty()) {
      REQUIRE(host.queue.due());
      host.now = *host.queue.due();
    }
    return host.queue.done("a", is_good ? "" : "exit status 1", host.now);
  };
  for (int i = 0; i < 4; ++i) CHECK(run_once().kind == Kind::unchanged);
  seconds waits{0};
  for (const int wanted : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
    const Time before = host.now;
    const auto verdict = run_once();
    CHECK(verdict.delay == seconds(wanted));
    CHECK(verdict.error == "exit status 1");
    CHECK(verdict.kind == (wanted == 1 ? Kind::suspended : Kind::still_suspended));
    CHECK(host.now - before == waits);
    waits = seconds(wanted);
  }
  is_good = true;
  CHECK(run_once().kind == Kind::resumed);
  is_good = false;
  for (int i = 0; i < 4; ++i) CHECK(run_once().kind == Kind::unchanged);
  CHECK(run_once().kind == Kind::suspended);
}

TEST_CASE("other commands of the netns, and the same ones of other netns, do not wait for suspended ones") {
  const List failing = list({"bad"});
  const List good = list({"good"});
  Host host;
  host.suspend(failing);
  host.queue.push(job("a", failing));
  host.queue.push(job("a", good));
  host.queue.push(job("b", failing));
  CHECK(host.next() == "a:good");
  CHECK(host.next() == "b:bad");
  (void)host.queue.done("a", "", host.now);
  (void)host.queue.done("b", "exit status 1", host.now);
  CHECK(host.next().empty());
  CHECK(host.queue.queued() == 1);
  host.now += seconds(1);
  host.queue.push(job("a", good));
  CHECK(host.next() == "a:good");  // behind the jobs already waiting
  (void)host.queue.done("a", "", host.now);
  CHECK(host.next() == "a:bad");
}

TEST_CASE("what waits behind a run that fails once too often is set aside too") {
  const List failing = list({"bad"});
  Host host;
  for (int i = 0; i < 4; ++i) host.push_and_run(failing);
  host.queue.push(job("a", failing));
  CHECK(host.next() == "a:bad");
  host.queue.push(job("a", failing));
  CHECK(host.queue.done("a", "exit status 1", host.now).kind == Kind::suspended);
  CHECK(host.next().empty());
  CHECK(host.queue.queued() == 1);
  CHECK(host.queue.due() == host.now + seconds(1));
}

TEST_CASE("a run of several commands fails when one of them does, and tells of the first that did") {
  const List mixed = list({"good", "bad", "good"});
  Host host;
  for (int i = 0; i < 5; ++i) {
    host.queue.push(job("a", mixed));
    CHECK(host.next() == "a:good");
    CHECK(host.queue.done("a", "", host.now).kind == Kind::unchanged);
    CHECK(host.next() == "a:bad");
    CHECK(host.queue.done("a", "exit status 7", host.now).kind == Kind::unchanged);
    CHECK(host.next() == "a:good");
    const auto verdict = host.queue.done("a", "", host.now);
    CHECK(verdict.kind == (i < 4 ? Kind::unchanged : Kind::suspended));
    CHECK(verdict.error == (i < 4 ? "" : "exit status 7"));
  }
}

TEST_CASE("a success in between gives the whole budget back") {
  const List commands = list({"?"});
  Host host;
  for (int i = 0; i < 100; ++i) {
    host.queue.push(job("a", commands));
    REQUIRE_FALSE(host.next().empty());
    CHECK(host.queue.done("a", i % 5 == 4 ? "" : "exit status 1", host.now).kind == Kind::unchanged);
  }
}

TEST_CASE("what is for once in a life never waits aside, and its failures do not count") {
  const List failing = list({"bad"});
  Host host;
  for (int i = 0; i < 20; ++i) {
    host.queue.push(job("a", failing, Lifetime::life));
    CHECK(host.run() == std::vector{Kind::unchanged});
  }
  host.suspend(failing);
  host.queue.push(job("a", failing));
  host.queue.push(job("a", failing, Lifetime::life));
  CHECK(host.next() == "a:bad");  // although an earlier event of the suspended list is queued
  (void)host.queue.done("a", "exit status 1", host.now);
  CHECK(host.next().empty());
  CHECK(host.queue.queued() == 0);
  host.queue.push(job("a", failing));
  CHECK(host.next().empty());
  host.queue.push(job("a", failing, Lifetime::life));
  CHECK(host.next() == "a:bad");
}

TEST_CASE("with a netns goes what was suspended for it, but not what does not need it") {
  const List failing = list({"bad"});
  const List last = list({"bad", "good"});
  Host host;
  host.suspend(failing);
  for (int i = 0; i < 5; ++i) {
    host.queue.push(job("a", last, Lifetime::end));
    host.run();
  }
  host.queue.push(job("a", failing));
  host.queue.push(job("a", last, Lifetime::end));
  CHECK(host.run().empty());
  CHECK(host.queue.queued() == 3);
  CHECK(host.queue.forget("a") == 1);
  CHECK(host.queue.queued() == 2);
  host.queue.push(job("a", failing));
  CHECK(host.run() == std::vector{Kind::unchanged});
  host.now += seconds(1);
  CHECK(host.run() == std::vector{Kind::unchanged, Kind::still_suspended});
  CHECK(host.queue.queued() == 0);
  CHECK_FALSE(host.queue.due());
}

TEST_CASE("a pardon lets all run at once, and forgets what failed") {
  const List failing = list({"bad"});
  Host host;
  host.suspend(failing);
  host.queue.push(job("a", failing));
  CHECK(host.run().empty());
  host.queue.resume_all();
  CHECK_FALSE(host.queue.due());
  CHECK(host.run() == std::vector{Kind::unchanged});
  for (int i = 0; i < 3; ++i) CHECK(host.push_and_run(failing) == std::vector{Kind::unchanged});
  CHECK(host.push_and_run(failing) == std::vector{Kind::suspended});
}

TEST_CASE("what waits aside counts among the events that may wait") {
  const List failing = list({"bad"});
  Host host;
  CommandQueue::Limits limits;
  limits.events = 2;
  host.queue = CommandQueue(limits);
  host.suspend(failing, "a");
  host.suspend(failing, "b");
  for (const char* netns : {"a", "b"}) CHECK(host.queue.push(job(netns, failing)) == Push::queued);
  CHECK(host.run().empty());
  CHECK(host.queue.push(job("c", failing)) == Push::refused);
  CHECK(host.queue.push(job("a", failing)) == Push::merged);
  CHECK(host.queue.forget("a") == 1);
  CHECK(host.queue.push(job("c", failing)) == Push::queued);
}

TEST_CASE("of more failing commands than can be remembered, those that were quiet for longest are forgotten") {
  const List failing = list({"bad"});
  Host host;
  CommandQueue::Limits limits;
  limits.failing = 2;
  host.queue = CommandQueue(limits);
  host.suspend(failing, "a");
  host.queue.push(job("a", failing));
  CHECK(host.run().empty());
  for (int i = 0; i < 4; ++i) host.push_and_run(failing, "b");
  CHECK(host.push_and_run(failing, "c") == std::vector{Kind::unchanged});  // evicts b, because a has a job waiting
  for (int i = 0; i < 3; ++i) CHECK(host.push_and_run(failing, "c") == std::vector{Kind::unchanged});
  CHECK(host.push_and_run(failing, "b") == std::vector{Kind::unchanged});
  CHECK(host.push_and_run(failing, "c") == std::vector{Kind::unchanged});
  host.now += seconds(1);
  CHECK(host.run() == std::vector{Kind::still_suspended});
}

TEST_CASE("whatever fails in whatever order, counts stay right, nothing runs too often and nothing waits for ever") {
  std::mt19937 random(2);
  const auto any = [&](std::size_t count) { return random() % count; };
  const std::vector<List> lists{list({"bad"}), list({"good", "bad"}), list({"good"})};
  const std::vector<std::string> names{"a", "b", "c"};
  Host host;
  std::map<std::pair<std::string, const void*>, std::vector<Time>> runs;
  const auto run_one = [&] {
    const auto next = host.queue.next(host.now);
    if (!next) return false;
    const CommandJob& job = next->job;
    const bool is_first = next->command == job.commands->front();
    if (is_first && !job.for_new_netns && job.commands != lists[2]) runs[{job.netns, job.commands.get()}].push_back(host.now);
    (void)host.queue.done(std::string(job.netns), next->command == "bad" ? "exit status 1" : "", host.now);
    return true;
  };
  for (int step = 0; step < 20000; ++step) {
    host.now += milliseconds(any(40));
    host.queue.push(job(names[any(3)], lists[any(3)],
                        any(20) == 0  ? Lifetime::life
                        : any(2) == 0 ? Lifetime::event
                                      : Lifetime::end));
    if (any(2) == 0) run_one();
    REQUIRE(host.queue.running() == 0);
    REQUIRE(host.queue.queued() <= 3 * 5 * 2);
  }
  // About 400 s: 5 runs, and then one after 1, 2, 4, ... 256 s.
  for (const auto& [key, times] : runs) CHECK(times.size() <= 5 + 9);
  CHECK(runs.size() == 6);
  while (run_one() || host.queue.due()) {
    if (const auto due = host.queue.due()) host.now = std::max(host.now, *due);
  }
  CHECK(host.queue.queued() == 0);
}
