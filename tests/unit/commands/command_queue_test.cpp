// SPDX-License-Identifier: Apache-2.0
#include "commands/command_queue.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"

using namespace nswarden;

namespace {

using Push = CommandQueue::Push;
using List = std::shared_ptr<const std::vector<std::string>>;

List list(std::vector<std::string> commands) { return std::make_shared<const std::vector<std::string>>(std::move(commands)); }

CommandJob job(std::string netns, List commands, bool needs_netns = false) {
  return {std::move(netns), "policy", "IN_CREATE", std::move(commands), needs_netns, false};
}

constexpr Time now{std::chrono::hours(1)};

void done(CommandQueue& queue, const std::string& netns) { (void)queue.done(netns, "", now); }

/// "netns:command", or empty if no command may run.
std::string next(CommandQueue& queue) {
  const auto next = queue.next(now);
  return next ? next->job.netns + ":" + next->command : std::string{};
}

TEST_CASE("the commands of one netns run one after the other, in the order in which they were asked for") {
  CommandQueue queue({});
  CHECK(queue.push(job("a", list({"1", "2"}))) == Push::queued);
  CHECK(queue.push(job("a", list({"3"}))) == Push::queued);
  CHECK(queue.queued() == 3);
  for (const char* wanted : {"a:1", "a:2", "a:3"}) {
    CHECK(next(queue) == wanted);
    CHECK(next(queue).empty());
    CHECK(queue.running() == 1);
    done(queue, "a");
  }
  CHECK(next(queue).empty());
  CHECK(queue.queued() + queue.running() == 0);
}

TEST_CASE("a command comes with the capabilities that its own list was asked for with, also one that waited aside") {
  CommandQueue queue({});
  CommandJob with = job("a", list({"1", "2"}));
  with.capabilities = CommandCapabilities::daemon;
  queue.push(with);
  queue.push(job("a", list({"3"})));
  for (const auto wanted : {CommandCapabilities::daemon, CommandCapabilities::daemon, CommandCapabilities::none}) {
    const auto next = queue.next(now);
    REQUIRE(next);
    CHECK(next->job.capabilities == wanted);
    done(queue, "a");
  }
  // Fails until suspended, then runs again.
  for (int failed = 0; failed < 100 && !queue.due(); ++failed) {
    queue.push(with);
    if (queue.next(now)) (void)queue.done("a", "failed", now);
    if (queue.next(now)) (void)queue.done("a", "failed", now);
  }
  REQUIRE(queue.due());
  const auto next = queue.next(*queue.due());
  REQUIRE(next);
  CHECK(next->job.capabilities == CommandCapabilities::daemon);
}

TEST_CASE("a few netns at most have a command running, and those that wait take turns") {
  CommandQueue queue({1000, 2});
  for (const char* netns : {"a", "b", "c"}) queue.push(job(netns, list({"1", "2"})));
  CHECK(next(queue) == "a:1");
  CHECK(next(queue) == "b:1");
  CHECK(next(queue).empty());
  done(queue, "a");
  CHECK(next(queue) == "c:1");
  done(queue, "b");
  CHECK(next(queue) == "a:2");
}

TEST_CASE("a repeat of what waits is merged, one of what runs is not") {
  CommandQueue queue({});
  const List commands = list({"1", "2"});
  CHECK(queue.push(job("a", commands)) == Push::queued);
  CHECK(queue.push(job("a", commands)) == Push::merged);
  CHECK(queue.push(job("b", commands)) == Push::queued);
  CHECK(queue.push(job("a", list({"1", "2"}))) == Push::queued);
  CHECK(next(queue) == "a:1");
  CHECK(queue.push(job("a", commands)) == Push::queued);
  CHECK(queue.push(job("a", commands)) == Push::merged);
  done(queue, "a");
  CHECK(queue.push(job("a", commands)) == Push::merged);
  CHECK(queue.queued() == 7);
}

TEST_CASE("too many events are refused, and netns that came never are") {
  CommandQueue queue({2, 4});
  CHECK(queue.push(job("a", list({"1"}))) == Push::queued);
  CHECK(queue.push(job("b", list({"1"}))) == Push::queued);
  CHECK(queue.push(job("c", list({"1"}))) == Push::refused);
  CommandJob came = job("d", list({"1"}), true);
  came.for_new_netns = true;
  CHECK(queue.push(came) == Push::queued);
  CHECK(next(queue) == "a:1");
  CHECK(queue.push(job("c", list({"1"}))) == Push::refused);  // a running job still counts
  done(queue, "a");
  CHECK(queue.push(job("c", list({"1"}))) == Push::queued);
}

TEST_CASE("what needs a netns that has gone is dropped, and the rest still runs") {
  CommandQueue queue({});
  queue.push(job("a", list({"1", "2"}), true));
  queue.push(job("a", list({"gone"}), false));
  queue.push(job("a", list({"3"}), true));
  queue.push(job("b", list({"4"}), true));
  CHECK(next(queue) == "a:1");
  CHECK(queue.forget("a") == 2);
  CHECK(queue.forget("nobody") == 0);
  done(queue, "a");
  CHECK(next(queue) == "b:4");
  CHECK(next(queue) == "a:gone");
  done(queue, "b");
  done(queue, "a");
  CHECK(queue.queued() + queue.running() == 0);
}

TEST_CASE("a command that is skipped takes with it what needs the same netns") {
  CommandQueue queue({});
  queue.push(job("a", list({"1", "2"}), true));
  queue.push(job("a", list({"gone"}), false));
  CHECK(next(queue) == "a:1");
  queue.skip("a");
  CHECK(next(queue) == "a:gone");
  queue.skip("a");
  CHECK(next(queue).empty());
  CHECK(queue.queued() + queue.running() == 0);
}

TEST_CASE("counts stay right whatever happens in whatever order") {
  std::mt19937 random(1);
  const std::vector<List> lists{list({"1"}), list({"1", "2", "3"}), list({})};
  const std::vector<std::string> names{"a", "b", "c", "d", "e", "f"};
  const auto any = [&](std::size_t count) { return random() % count; };
  CommandQueue queue({5, 3});
  std::vector<std::string> running;
  for (int step = 0; step < 20000; ++step) {
    switch (any(5)) {
      case 0: {
        CommandJob one = job(names[any(names.size())], lists[any(lists.size())], any(2) == 0);
        one.for_new_netns = one.needs_netns && any(2) == 0;
        queue.push(std::move(one));
        break;
      }
      case 1: queue.forget(names[any(names.size())]); break;
      case 2:
        if (const auto next = queue.next(now)) {
          REQUIRE(std::find(running.begin(), running.end(), next->job.netns) == running.end());
          running.push_back(next->job.netns);
        }
        break;
      default:
        if (running.empty()) break;
        const std::size_t at = any(running.size());
        if (any(3) == 0) {
          queue.skip(running[at]);
        } else {
          done(queue, running[at]);
        }
        running.erase(running.begin() + static_cast<std::ptrdiff_t>(at));
    }
    REQUIRE(queue.running() == running.size());
    REQUIRE(queue.queued() < 100);
  }
  // Finishes the remaining jobs; the counts must then be 0.
  while (true) {
    if (const auto next = queue.next(now)) {
      running.push_back(next->job.netns);
    } else if (!running.empty()) {
      done(queue, running.back());
      running.pop_back();
    } else {
      break;
    }
  }
  CHECK(queue.queued() + queue.running() == 0);
  for (int i = 0; i < 5; ++i) CHECK(queue.push(job(std::to_string(i), list({"1"}))) == Push::queued);
  CHECK(queue.push(job("more", list({"1"}))) == Push::refused);
}

}  // namespace
