// SPDX-License-Identifier: Apache-2.0
#include <catch.hpp>
#include <string>

#include <nswarden/report/event_log.hpp>

namespace {

using nswarden::Event;
using nswarden::EventLog;

Event governed(int number) {
  Event event;
  event.kind = Event::Kind::netns_governed;
  event.finding.netns = std::to_string(number);
  return event;
}

}  // namespace

TEST_CASE("the last 200 events are kept, newest last") {
  EventLog log;
  CHECK(log.newest()->empty());
  for (int i = 0; i < 203; ++i) log.add(governed(i));
  const auto events = log.newest();
  REQUIRE(events->size() == 200);
  CHECK(events->front()->finding.netns == "3");
  CHECK(events->back()->finding.netns == "202");
}

TEST_CASE("nothing is copied while nothing happens, and what was given out stays as it was") {
  EventLog log;
  log.add(governed(1));
  const auto before = log.newest();
  CHECK(log.newest() == before);
  log.add(governed(2));
  CHECK(before->size() == 1);
  const auto after = log.newest();
  REQUIRE(after->size() == 2);
  CHECK(after->front() == before->front());
}

TEST_CASE("a reload is an event, and one that failed gives its first problem") {
  EventLog log;
  log.reloaded(12.5, "");
  log.reloaded(13, "f.yaml:1:2: one\nf.yaml:3:4: two\n");
  const auto events = log.newest();
  REQUIRE(events->size() == 2);
  CHECK(to_string(events->at(0)->kind) == "reload");
  CHECK(events->at(0)->time == 12.5);
  CHECK(events->at(0)->error.empty());
  CHECK(to_string(events->at(1)->kind) == "reload_failure");
  CHECK(events->at(1)->error == "f.yaml:1:2: one");
}
