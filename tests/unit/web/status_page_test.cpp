// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch.hpp>
#include <string>
#include <vector>

#include "status_pages.hpp"
#include "web/status_sections.hpp"

using namespace nswarden;

TEST_CASE("the page says at its top whether all is as the policy says") {
  struct Row {
    Snapshot snapshot;
    const char* verdict;
    const char* severity;
  };
  Snapshot not_ready = quiet(1, 1);
  not_ready.ready = false;
  Snapshot none = quiet(0, 0);
  none.netns_unmatched = 3;
  Snapshot no_policy = quiet(0, 0);
  no_policy.policies.clear();
  const Row table[] = {{quiet(), "Compliant: all 4 settings", "verdict good"},
                       {quiet(1, 1), "Compliant: all 1 setting", "verdict good"},
                       {drifting(3), "Not compliant: 3 of 3 settings", "verdict bad"},
                       {drifting(1), "Not compliant: 1 of 1 setting", "verdict bad"},
                       {not_ready, "Not ready: the first sweep is not done", "verdict warn"},
                       {Snapshot{}, "Not ready: the first sweep is not done", "verdict warn"},
                       {none, "No netns matches a policy", "verdict calm"},
                       {no_policy, "No policies", "verdict warn"},
                       {quiet(2, 0), "The matching policies have no settings", "verdict calm"}};
  for (const Row& row : table) {
    INFO(row.verdict);
    const Page page = page_of(row.snapshot);
    const Element verdict = section(page, "verdict");
    CHECK(contains(verdict, row.verdict));
    CHECK(verdict.attributes.at("class") == row.severity);
    CHECK(page.all("title").front().text == std::string(row.verdict) + " - nswarden");
  }
  CHECK(contains(section(page_of(none), "verdict"), "Netns that no policy matches: 3."));
}

TEST_CASE("the counts beside the verdict are those of the report") {
  Snapshot snapshot = quiet(11, 70);
  snapshot.totals.compliant = 22;
  snapshot.totals.drifted = 33;
  snapshot.totals.missing = 9;
  snapshot.totals.unreadable = 6;
  snapshot.totals.fixed = 1;
  snapshot.totals.failed = 55;
  snapshot.netns_unmatched = 66;
  snapshot.netns_pending = 1;
  snapshot.commands_queued = 8;
  const Page page = page_of(snapshot);
  std::string counts;
  for (const Element& element : page.all("div")) {
    if (element.attributes.empty()) counts += element.text + " ";
  }
  CHECK(counts == "netns11 settings70 compliant22 drifted33 missing9 unreadable6 ");
  const Element verdict = section(page, "verdict");
  CHECK(contains(verdict, "last sweep 7 s earlier. Since the start 1 repair, 55 failed attempts."));
  CHECK(contains(verdict, "66 more netns match no policy. 1 pending name. Commands: 0 running, 8 waiting."));
}

TEST_CASE("a row of drift has all that is known of it") {
  Snapshot snapshot = drifting(1);
  Writer writer;
  writer.pid = 13769;
  writer.uid = 0;
  writer.comm = "sysctl";
  writer.exe = "/usr/sbin/sysctl";
  writer.unit = "rival.service";
  writer.container = std::string(64, 'c');
  snapshot.drift[0].writer = std::make_shared<const Writer>(writer);
  snapshot.drift[0].finding.note = "ticket 7";
  snapshot.drift[0].finding.reason = Reason::suspended;
  snapshot.drift[0].finding.error = 13;
  const Page page = page_of(snapshot);
  const Element drifts = section(page, "drift");
  for (const char* part :
       {"n0", "even", keepalive.c_str(), "1234", "7200", "drifted", "suspended: another program keeps changing it back",
        "ticket 7", "Permission denied", "2025-11-27 14:28:20", "2 min ago", "sysctl pid 13769, uid 0", "rival.service",
        "container cccccccccccc/usr/sbin/sysctl"}) {
    INFO(part);
    CHECK(contains(drifts, part));
  }
  CHECK(drifts.text.find(std::string(13, 'c')) == std::string::npos);
  CHECK(html_of(snapshot).find("title=\"" + writer.container + "\"") != std::string::npos);
  CHECK(html_of(snapshot).find("datetime=\"2025-11-27T14:28:20.500Z\"") != std::string::npos);
}

TEST_CASE("a writer of whom only the cgroup is known is told by that") {
  Snapshot snapshot = drifting(1);
  Writer writer;
  writer.cgroup = "/some/group";
  snapshot.drift[0].writer = std::make_shared<const Writer>(writer);
  CHECK(contains(section(page_of(snapshot), "drift"), "cgroup /some/group"));
}

TEST_CASE("at most 200 rows of drift are shown, and the page says how many more there are and where") {
  Snapshot snapshot = drifting(450);
  snapshot.drift_hidden = 17;
  snapshot.totals.settings += 17;
  const Page page = page_of(snapshot);
  CHECK(rows(page, "drift") == max_drift_rows);
  CHECK(contains(section(page, "drift"), "first 200, by netns and key; 250 more are in the JSON."));
  CHECK(contains(section(page, "drift"), "17 more are only counted; nswarden check lists them all."));
  const Page filtered = page_of(snapshot, "policy=odd");
  CHECK(rows(filtered, "drift") == max_drift_rows);
  CHECK(contains(section(filtered, "drift"), "25 more are in the JSON."));
  CHECK(contains(section(filtered, "drift"), "17 more are only counted, and may match"));
  CHECK_FALSE(contains(section(page_of(drifting(200)), "drift"), "more"));
}

TEST_CASE("every kind of event is told, newest first, with its time and what it has") {
  Snapshot snapshot = quiet();
  std::vector<std::string> words;
  for (int kind = 0; kind <= static_cast<int>(Event::Kind::reload_failure); ++kind) {
    Event event = event_of(static_cast<Event::Kind>(kind), "n", "p");
    event.time = now + kind;
    event.source = Source::event;
    std::string word(to_string(event.kind));
    std::replace(word.begin(), word.end(), '_', ' ');
    words.insert(words.begin(), word);
    add_event(snapshot, event);
  }
  std::vector<std::string> words_seen;
  for (const Element& element : page_of(snapshot).all("span")) {
    const auto known = element.attributes.find("class");
    if (known != element.attributes.end() && known->second.starts_with("tag ") && element.text != "up")
      words_seen.push_back(element.text);
  }
  CHECK(words_seen == words);
  const Element events = section(page_of(snapshot), "events");
  CHECK(contains(events, "2025-11-27 14:30:36.500"));
  CHECK(events.text.find("14:30:36.500") < events.text.find("14:30:25.500"));

  Event suspend = event_of(Event::Kind::suspend, "n", "p");
  suspend.retry_in = std::chrono::seconds{90};
  suspend.source = Source::reconcile;
  Event failure = event_of(Event::Kind::netns_failure, "n", "");
  failure.finding.key.clear();
  failure.error = "Too many open files";
  Event unreadable = event_of(Event::Kind::drift, "n", "p");
  unreadable.finding.state = State::unreadable;
  for (const Event& event : {suspend, failure, unreadable}) add_event(snapshot, event);
  const Element more = section(page_of(snapshot), "events");
  for (const char* part : {"next attempt in 90s", "detected by a sweep", "detected by an event", "Too many open files",
                           "want 1234, have 7200", "want 1234, had 7200", "unreadable"}) {
    INFO(part);
    CHECK(contains(more, part));
  }
}

TEST_CASE("policies are told with their counts, sources with why they are down, the configuration with its error") {
  Snapshot snapshot = quiet();
  snapshot.policies.push_back({"watched", 21, 22, 23, 24, 25, false});
  snapshot.sources = {{"inotify", true, "no longer true"}, {"sysctl", false, "no fanotify"}};
  snapshot.unlisted = {{"/run/other", false, "open: Permission denied"}};
  Page page = page_of(snapshot);
  CHECK(contains(section(page, "policies"), "watchedaudit2122232425"));
  CHECK(contains(section(page, "policies"), "routersenforce24000"));
  CHECK(contains(section(page, "sources"), "downno fanotify"));
  CHECK(contains(section(page, "sources"), "not listedopen: Permission denied"));
  CHECK_FALSE(contains(section(page, "sources"), "no longer true"));
  CHECK(contains(section(page, "configuration"), "/etc/nswarden/nswarden.yaml"));
  CHECK(contains(section(page, "configuration"), "0123456789ab"));
  CHECK_FALSE(contains(section(page, "configuration"), "0123456789abc"));
  CHECK(html_of(snapshot).find("<code title=\"0123456789abcdef0123\">") != std::string::npos);
  CHECK(contains(section(page, "configuration"), "2025-11-27 13:30:25 1 h 0 min ago"));
  CHECK(contains(section(page, "configuration"), "none: the last configuration read is in force"));
  std::string notices;
  for (const Element& element : page.all("ul")) notices += element.text;
  CHECK(notices.find("Suspended: 24 settings") != std::string::npos);
  CHECK(notices.find("Down: 1 event source") != std::string::npos);
  CHECK(notices.find("Not listed: 1 netns directory (reason)") != std::string::npos);
  CHECK(notices.find("--audit") == std::string::npos);

  snapshot.config.error = "nswarden.yaml:3:1: unknown field";
  snapshot.config.failed_seconds = now - 61;
  snapshot.config.audit = true;
  page = page_of(snapshot);
  CHECK(contains(section(page, "configuration"), "14:29:24 1 min agonswarden.yaml:3:1: unknown field"));
  CHECK(contains(section(page, "configuration"), "none: started with --audit"));
  const Element list = page.all("ul").back();
  CHECK(contains(list, "was rejected, and the previous one stays in force: nswarden.yaml:3:1: unknown field"));
  CHECK(contains(list, "Started with --audit: drift is reported, nothing is written."));
  CHECK(page_of(quiet()).all("ul").size() == 1);  // only the list of links
}

TEST_CASE("the page has what a screen reader goes by") {
  Snapshot snapshot = drifting(2);
  add_event(snapshot, event_of(Event::Kind::drift, "n0", "even"));
  const Page page = page_of(snapshot);
  CHECK(page.all("html").front().attributes.at("lang") == "en");
  CHECK(page.all("h1").size() == 1);
  CHECK(page.all("main").size() == 1);
  std::vector<std::string> ids;
  for (const Element& heading : page.all("h2")) ids.push_back(heading.attributes.at("id"));
  std::vector<std::string> labels;
  for (const Element& part : page.all("section")) labels.push_back(part.attributes.at("aria-labelledby"));
  CHECK(ids == labels);
  CHECK(ids == std::vector<std::string>{"verdict", "drift", "policies", "events", "sources", "configuration"});
  CHECK(page.all("table").size() == 4);
  CHECK(page.all("caption").size() == 4);
  for (const Element& head : page.all("th")) CHECK(head.attributes.count("scope") == 1);
  for (const Element& box : page.all("div")) {
    if (box.attributes.count("class") == 0 || box.attributes.at("class") != "scroll") continue;
    CHECK(box.attributes.at("tabindex") == "0");
    CHECK(box.attributes.at("role") == "region");
    CHECK(std::count(ids.begin(), ids.end(), box.attributes.at("aria-labelledby")) == 1);
  }
  CHECK(page.all("label").size() == 2);
}
