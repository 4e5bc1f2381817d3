// SPDX-License-Identifier: Apache-2.0
#include "cli/status_table.hpp"
#include <nswarden/base/text.hpp>

#include <algorithm>
#include <cerrno>

#include <nswarden/report/event_log.hpp>
#include "catch.hpp"
#include "web/routes.hpp"

using namespace nswarden;

namespace {

constexpr double now = 1795789980;

/// One setting drifted in each of two netns, and one compliant setting.
Snapshot snapshot() {
  Snapshot made;
  made.time = now;
  made.ready = true;
  made.totals = {2, 3, 1, 2, 0, 0, 5, 1};
  made.policies = {{"routers", 2, 3, 2, 1, 0, true}};
  auto writer = std::make_shared<Writer>();
  writer->pid = 42;
  writer->comm = "dockerd";
  writer->unit = "docker.service";
  made.drift = {{{"q-1", "routers", "net.a.b", "1", "0", State::drifted, Reason::suspended}, writer, now - 61},
                {{"q\n2", "routers", "net.a.b", "1", "0", State::drifted, Reason::value, EPERM}, nullptr, now - 7200}};
  made.sources = {{"inotify", true, {}}, {"sysctl", false, "no privilege"}};
  made.config = {"/etc/n.yaml", std::string(64, 'a'), now - 90000, {}, 0, false};
  made.last_reconcile_seconds = now - 3;
  return made;
}

Json json_of(const Snapshot& made) { return std::get<Json>(parse_answer(status_json(made))); }

StatusView view_of(const Json& json) {
  auto status = status_of(json);
  if (const auto* problem = std::get_if<Problem>(&status)) FAIL(problem->message);
  StatusView view;
  view.status = std::get<StatusDocument>(status);
  view.now = now;
  return view;
}

std::string problem_in(const Json& json) {
  const auto status = status_of(json);
  const auto* problem = std::get_if<Problem>(&status);
  return problem == nullptr ? std::string() : problem->message;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a status is a verdict, the daemon's state, policies and findings") {
  const StatusView view = view_of(json_of(snapshot()));
  CHECK(verdict_of(view) == StatusVerdict::drifted);
  CHECK(status_table(view, Colour::never) ==
        "NOT compliant: 2 settings in 2 netns\n"
        "2 netns, 3 settings: 1 compliant, 2 drifted, 0 missing, 0 unreadable; 5 fixed, 1 failed since the start\n"
        "daemon: ready, last sweep 3s ago\n"
        "configuration: /etc/n.yaml, loaded 25h ago, sha256 aaaaaaaaaaaa\n"
        "events from: inotify\n"
        "sysctl is down: no privilege\n"
        "\n"
        "POLICY   MODE     NETNS  SETTINGS  DRIFTED  SUSPENDED  CONFLICTS\n"
        "routers  enforce  2      3         2        1          0\n"
        "\n"
        "NETNS   KEY      WANT  HAVE  STATE                              SINCE    WRITER                         POLICY\n"
        "q-1     net.a.b  1     0     drifted (suspended)                61s ago  dockerd[42] in docker.service  routers\n"
        "q\\x0a2  net.a.b  1     0     drifted (Operation not permitted)  2h ago   -                              routers\n");
}

TEST_CASE("colour is only around words and does not move columns") {
  const StatusView view = view_of(json_of(snapshot()));
  std::string coloured = status_table(view, Colour::always);
  for (const std::string code : {"\x1b[31m", "\x1b[32m", "\x1b[0m"}) {
    for (std::size_t at = coloured.find(code); at != std::string::npos; at = coloured.find(code))
      coloured.erase(at, code.size());
  }
  CHECK(coloured == status_table(view, Colour::never));
  CHECK(coloured != status_table(view, Colour::always));
}

TEST_CASE("events are listed as they came, with what is known of them") {
  Snapshot made = snapshot();
  EventLog log;
  Event event;
  event.kind = Event::Kind::suspend;
  event.time = now - 5;
  event.finding = made.drift[0].finding;
  event.source = Source::event;
  event.retry_in = std::chrono::seconds{120};
  event.writer = made.drift[0].writer;
  log.add(event);
  log.reloaded(now, "f.yaml:1:1: wrong");
  made.events = log.newest();
  const auto events = events_of(std::get<Json>(parse_answer(events_json(made))));
  StatusView view = view_of(json_of(made));
  view.events = std::get<std::vector<StatusEvent>>(events);
  const std::string text = status_table(view, Colour::never);
  CHECK(has(text,
            "TIME                  EVENT           NETNS  KEY      WANT  HAVE  SOURCE  WRITER                         NOTE\n"));
  CHECK(has(text, "  suspend         q-1    net.a.b  1     0     event   dockerd[42] in docker.service  retry in 2m\n"));
  CHECK(has(text,
            "\n2026-11-27T14:33:00Z  reload_failure  -      -        -     -     -       -                              "
            "f.yaml:1:1: wrong\n"));
}

TEST_CASE("a verdict is only as good as what is known") {
  Snapshot made = snapshot();
  made.totals = {2, 3, 3, 0, 0, 0, 0, 0};
  made.drift.clear();
  CHECK(verdict_of(view_of(json_of(made))) == StatusVerdict::compliant);
  SECTION("before the first sweep nothing is") {
    made.ready = false;
    CHECK(verdict_of(view_of(json_of(made))) == StatusVerdict::unknown);
  }
  SECTION("an unreadable setting is not compliant, and not known to be drifted") {
    made.totals = {2, 3, 2, 0, 0, 1, 0, 0};
    CHECK(verdict_of(view_of(json_of(made))) == StatusVerdict::unknown);
  }
  SECTION("a missing one is as bad as a drifted one") {
    made.totals = {2, 3, 1, 0, 1, 1, 0, 0};
    CHECK(verdict_of(view_of(json_of(made))) == StatusVerdict::drifted);
  }
  SECTION("netns in a directory that cannot be listed are not known") {
    made.unlisted = {{"/run/netns", false, "Permission denied"}};
    const StatusView view = view_of(json_of(made));
    CHECK(verdict_of(view) == StatusVerdict::unknown);
    CHECK(has(status_table(view, Colour::never), "cannot list /run/netns: Permission denied\n"));
  }
  SECTION("of chosen netns nothing is known where findings are hidden") {
    made.drift_hidden = 7;
    StatusView view = view_of(json_of(made));
    view.netns = {"q-9"};
    CHECK(verdict_of(view) == StatusVerdict::unknown);
    CHECK(status_table(view, Colour::never).starts_with("incomplete: "));
  }
}

TEST_CASE("findings that the daemon does not list are counted") {
  Snapshot made = snapshot();
  made.drift_hidden = 7;
  const std::string text = status_table(view_of(json_of(made)), Colour::never);
  CHECK(text.starts_with("NOT compliant: 2 settings in at least 2 netns\n"));
}

TEST_CASE("texts of the daemon are safe for a terminal, and not escaped twice") {
  CHECK(printed_text("a\\x0ab") == "a\\x0ab");
  CHECK(printed_text("\x1b[2J\\\x1b") == "\\x1b[2J\\\\x1b");
  CHECK(printed_text("\u202e\xff\\") == "\\xe2\\x80\\xae\\xff\\");
  Json json = json_of(snapshot());
  for (const char* field : {"netns", "policy", "key", "want", "have", "state", "error"})
    json["findings"][0][field] = "\x1b[2J\n";
  json["findings"][0]["writer"]["comm"] = "\r";
  json["findings"][1]["have"] = std::string(1000000, 'x');
  const std::string text = status_table(view_of(json), Colour::never);
  CHECK_FALSE(has(text, "\x1b"));
  CHECK_FALSE(has(text, "\r"));
  CHECK(text.size() < 5000);
  CHECK(std::count(text.begin(), text.end(), '\n') == 13);
}

TEST_CASE("a time that no clock has does no harm") {
  for (const double time : {-1e300, -1.0, 0.0, 1e300}) {
    Json json = json_of(snapshot());
    json["last_reconcile"] = time;
    json["findings"][0]["since"] = time;
    StatusView view = view_of(json);
    view.events.resize(1);
    view.events[0].time = time;
    CHECK(status_table(view, Colour::never).size() < 5000);
  }
}

TEST_CASE("an answer of a wrong form is refused by one line that says where") {
  const Json good = json_of(snapshot());
  const auto with = [&good](const char* pointer, Json value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = std::move(value);
    return problem_in(json);
  };
  CHECK(problem_in(good).empty());
  CHECK(with("/newer", Json::array({1})).empty());
  CHECK(with("/findings/0/have", nullptr).empty());
  CHECK(with("/schema", 2U) == "it has schema 2, expected 1; use the nswarden program of the daemon");
  CHECK(with("/ready", 1) == "ready is not true or false");
  CHECK(with("/totals", 1) == "totals is not an object");
  CHECK(with("/totals/netns", -1) == "totals.netns is not a count");
  CHECK(with("/totals/drifted", 1U) == "totals do not add up");
  CHECK(with("/findings", "x") == "findings is not a list");
  CHECK(with("/findings/1", 1) == "findings[1] is not an object");
  CHECK(with("/findings/1/key", 1) == "findings[1].key is not text");
  CHECK(with("/findings/0/since", "x") == "findings[0].since is not a time");
  CHECK(with("/findings/0/writer", 1) == "findings[0].writer is not an object");
  CHECK(with("/findings/0/writer/pid", -1) == "findings[0].writer.pid is not a count");
  CHECK(with("/config/source", nullptr) == "config.source is not text");
  for (const auto& [name, value] : good.items()) {
    // Redundant fields are optional.
    if (name == "compliant" || name == "time") continue;
    Json json = good;
    json.erase(name);
    CHECK(problem_in(json) == name + " is missing");
  }
}

TEST_CASE("what is no JSON, or has no end of depth, is refused") {
  const auto refused = [](std::string_view text) { return std::holds_alternative<Problem>(parse_answer(text)); };
  for (const char* text : {"", "{", "nul", "{\"a\":1e999}", "\"\xff\"", "{} {}"}) CHECK(refused(text));
  CHECK(refused(std::string(1000000, '[')));
  CHECK(refused(std::string(17, '[') + std::string(17, ']')));
  CHECK_FALSE(refused(std::string(16, '[') + std::string(16, ']')));
  CHECK_FALSE(refused("[\"[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[\"]"));
}
