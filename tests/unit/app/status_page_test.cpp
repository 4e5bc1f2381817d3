// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch.hpp>
#include <cmath>
#include <limits>
#include <nswarden/core/text.hpp>
#include <string>
#include <vector>

#include "app/html.hpp"
#include "app/query.hpp"
#include "app/status_page.hpp"
#include "app/status_style.hpp"
#include "markup.hpp"

namespace {

using namespace nswarden::app;
namespace core = nswarden::core;
using nswarden::markup::Element;
using nswarden::markup::Page;

constexpr double now = 1764253825.5;  // 2025-11-27 14:30:25.500 UTC
const std::string keepalive = "net.ipv4.tcp_keepalive_time";

/// What anybody may call a netns, a process or a file.
const std::vector<std::string> hostile{"<script>alert(1)</script>",
                                       "\"><img src=x onerror=alert(1)>",
                                       "' onclick='x",
                                       "new\nline",
                                       "\xff\xfe",
                                       "a&amp;b&#39;",
                                       "</style></title>",
                                       "back\\x0aslash",
                                       "a+b c%20",
                                       "--><!--",
                                       std::string("n\0l", 3),
                                       "\xe2\x80\xae",
                                       "caf\xc3\xa9",
                                       std::string(255, 'n')};

Page read(const std::string& html) {
  Page page(html);
  CHECK(page.problem() == "");
  return page;
}

std::string html_of(const Snapshot& snapshot, std::string_view query = {}) {
  return status_page(snapshot, Filter::of_query(query), "/metrics", {"1.2.3", "abcdef", "gcc"});
}

Page page_of(const Snapshot& snapshot, std::string_view query = {}) { return read(html_of(snapshot, query)); }

/// The section below the heading with this id.
Element section(const Page& page, std::string_view id) {
  for (const Element& element : page.all("section")) {
    if (element.attributes.at("aria-labelledby") == id) return element;
  }
  FAIL("no section " << id);
  return {};
}

bool says(const Element& element, std::string_view text) { return element.text.find(text) != std::string::npos; }

/// Of the links to this page: what they filter by, and what they say.
std::vector<Element> links(const Page& page, std::string_view start) {
  std::vector<Element> found;
  for (const Element& element : page.all("a")) {
    if (element.attributes.at("href").starts_with(start)) found.push_back(element);
  }
  return found;
}

DriftSnapshot drift(const std::string& netns, const std::string& policy, core::State state = core::State::drifted) {
  return {{netns, policy, keepalive, "1234", state == core::State::drifted ? "7200" : "", state}, nullptr, now - 125};
}

void add_event(Snapshot& snapshot, Event event) {
  Events events = snapshot.events ? *snapshot.events : Events{};
  events.push_back(std::make_shared<const Event>(std::move(event)));
  snapshot.events = std::make_shared<const Events>(std::move(events));
}

Event event_of(Event::What what, const std::string& netns, const std::string& policy) {
  Event event;
  event.what = what;
  event.time = now - 3;
  event.finding = drift(netns, policy).finding;
  return event;
}

Snapshot quiet(std::size_t netns = 2, std::size_t settings = 4) {
  Snapshot snapshot;
  snapshot.time = now;
  snapshot.ready = true;
  snapshot.last_reconcile_seconds = now - 7;
  snapshot.totals.netns = netns;
  snapshot.totals.settings = snapshot.totals.compliant = settings;
  snapshot.policies = {{"routers", netns, settings, 0, 0, 0, true}};
  snapshot.sources = {{"inotify", true, ""}, {"mount", true, ""}};
  snapshot.config = {"/etc/nswarden/nswarden.yaml", "0123456789abcdef0123", now - 3600, "", 0, false};
  return snapshot;
}

/// With so many settings that drift, in netns n0, n1, ...
Snapshot drifting(std::size_t count) {
  Snapshot snapshot = quiet(count, count);
  snapshot.totals.compliant = 0;
  snapshot.totals.drifted = count;
  for (std::size_t i = 0; i < count; ++i) snapshot.drift.push_back(drift("n" + std::to_string(i), i % 2 == 0 ? "even" : "odd"));
  return snapshot;
}

std::size_t rows(const Page& page, std::string_view id) {
  const std::string html = section(page, id).text;
  std::size_t count = 0;
  for (std::size_t at = 0; (at = html.find(keepalive, at)) != std::string::npos; ++at) ++count;
  return count;
}

double channel(const std::string& colour, std::size_t at) {
  const double value = std::stoi(colour.substr(at, 2), nullptr, 16) / 255.0;
  return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}

/// Of `#rrggbb`, by WCAG 2.
double luminance(const std::string& colour) {
  return 0.2126 * channel(colour, 1) + 0.7152 * channel(colour, 3) + 0.0722 * channel(colour, 5);
}

double contrast(const std::string& one, const std::string& other) {
  const double a = luminance(one);
  const double b = luminance(other);
  return (std::max(a, b) + 0.05) / (std::min(a, b) + 0.05);
}

std::string colour(std::string_view style, std::string_view name) {
  const std::string start = "--" + std::string(name) + ": #";
  const std::size_t at = style.find(start);
  REQUIRE(at != std::string_view::npos);
  return std::string(style.substr(at + start.size() - 1, 7));
}

}  // namespace

TEST_CASE("the page says at its top whether all is as the policy says") {
  struct Row {
    Snapshot snapshot;
    const char* verdict;
    const char* mood;
  };
  Snapshot not_ready = quiet(1, 1);
  not_ready.ready = false;
  Snapshot none = quiet(0, 0);
  none.netns_unmatched = 3;
  Snapshot no_policy = quiet(0, 0);
  no_policy.policies.clear();
  const Row table[] = {{quiet(), "Compliant: all 4 settings are as the policy says", "verdict good"},
                       {quiet(1, 1), "Compliant: all 1 setting", "verdict good"},
                       {drifting(3), "Not compliant: 3 of 3 settings are not as the policy says", "verdict bad"},
                       {drifting(1), "Not compliant: 1 of 1 setting is not", "verdict bad"},
                       {not_ready, "Not ready: the first sweep is not done", "verdict warn"},
                       {Snapshot{}, "Not ready: the first sweep is not done", "verdict warn"},
                       {none, "No netns matches a policy", "verdict calm"},
                       {no_policy, "There is no policy", "verdict warn"},
                       {quiet(2, 0), "The policies that match want no settings", "verdict calm"}};
  for (const Row& row : table) {
    INFO(row.verdict);
    const Page page = page_of(row.snapshot);
    const Element verdict = section(page, "verdict");
    CHECK(says(verdict, row.verdict));
    CHECK(verdict.attributes.at("class") == row.mood);
    CHECK(page.all("title").front().text.find(row.verdict) == 0);
  }
  CHECK(says(section(page_of(none), "verdict"), "3 netns that none is for"));
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
  CHECK(says(verdict, "last sweep 7 s earlier. Since the start 1 repair, 55 failed attempts."));
  CHECK(says(verdict, "66 more netns match no policy. 1 name may become netns. Commands: 0 running, 8 waiting."));
}

TEST_CASE("a row of drift has all that is known of it") {
  Snapshot snapshot = drifting(1);
  core::Writer writer;
  writer.pid = 13769;
  writer.uid = 0;
  writer.comm = "sysctl";
  writer.exe = "/usr/sbin/sysctl";
  writer.unit = "rival.service";
  writer.container = std::string(64, 'c');
  snapshot.drift[0].writer = std::make_shared<const core::Writer>(writer);
  snapshot.drift[0].finding.note = "ticket 7";
  snapshot.drift[0].finding.reason = core::Reason::suspended;
  snapshot.drift[0].finding.error = 13;
  const Page page = page_of(snapshot);
  const Element drifts = section(page, "drift");
  for (const char* part : {"n0", "even", keepalive.c_str(), "1234", "7200", "drifted", "suspended: changed back again",
                           "ticket 7", "Permission denied", "2025-11-27 14:28:20", "2 min ago", "sysctl pid 13769, uid 0",
                           "rival.service", "container cccccccccccc/usr/sbin/sysctl"}) {
    INFO(part);
    CHECK(says(drifts, part));
  }
  CHECK(drifts.text.find(std::string(13, 'c')) == std::string::npos);
  CHECK(html_of(snapshot).find("title=\"" + writer.container + "\"") != std::string::npos);
  CHECK(html_of(snapshot).find("datetime=\"2025-11-27T14:28:20.500Z\"") != std::string::npos);
}

TEST_CASE("a writer of whom only the cgroup is known is told by that") {
  Snapshot snapshot = drifting(1);
  core::Writer writer;
  writer.cgroup = "/some/group";
  snapshot.drift[0].writer = std::make_shared<const core::Writer>(writer);
  CHECK(says(section(page_of(snapshot), "drift"), "cgroup /some/group"));
}

TEST_CASE("names of others are text, wherever they stand, and the page is well formed with each") {
  for (const std::string& name : hostile) {
    INFO(core::printable(name));
    Snapshot snapshot = drifting(1);
    core::Writer writer;
    writer.comm = writer.exe = writer.unit = writer.container = writer.cgroup = name;
    const auto known = std::make_shared<const core::Writer>(writer);
    core::Finding finding = drift(name, name).finding;
    finding.want = finding.have = finding.note = name;
    snapshot.drift = {{finding, known, now}};
    Event event = event_of(Event::What::failure, name, name);
    event.finding = finding;
    event.error = name;
    event.writer = known;
    add_event(snapshot, event);
    snapshot.policies = {{name, 1, 1, 1, 1, 1, true}};
    snapshot.sources = {{name, false, name}};
    snapshot.unlisted = {{name, false, name}};
    snapshot.config = {name, name, now, name, now, true};
    const std::string html = status_page(snapshot, Filter{}, "/" + name, {name, name, name});
    const Page page = read(html);
    const std::string shown = core::printable(name);
    for (const char* id : {"drift", "events", "policies", "sources", "configuration"}) CHECK(says(section(page, id), shown));
    CHECK(says(page.all("footer").front(), shown));
    CHECK(says(page.all("li").back(), "Not listed"));
    CHECK(core::is_valid_utf8(html));
    // Nothing but what the same page has with a friendly name.
    Snapshot friendly = snapshot;
    friendly.drift[0].finding.netns = "n";
    CHECK(Page(html_of(friendly)).elements().size() == page.elements().size());
  }
}

TEST_CASE("what a link says is selected by it, whatever the name") {
  for (const std::string& name : hostile) {
    INFO(core::printable(name));
    Snapshot snapshot = drifting(4);
    snapshot.drift.push_back(drift(name, "p-" + name));
    snapshot.policies.push_back({"p-" + name, 1, 1, 1, 0, 0, true});
    const std::string shown = core::printable(name);
    for (const std::string& start : {std::string("/?netns="), std::string("/?policy=")}) {
      const std::string said = start == "/?netns=" ? shown : "p-" + shown;
      std::string href;
      for (const Element& link : links(page_of(snapshot), start)) {
        if (link.text == said) href = link.attributes.at("href");
      }
      REQUIRE(href.find_first_of("<>\"' \n\\") == std::string::npos);
      REQUIRE_FALSE(href.empty());
      const Page filtered = page_of(snapshot, href.substr(2));
      CHECK(rows(filtered, "drift") == 1);
      CHECK(says(section(filtered, "drift"), shown));
      // And so does the form, once it is sent as it stands.
      std::string sent = "netns=" + query_encoded(filtered.all("input").front().attributes.at("value"));
      for (const Element& option : filtered.all("option")) {
        if (option.attributes.count("selected") != 0) sent += "&policy=" + query_encoded(option.attributes.at("value"));
      }
      CHECK(rows(page_of(snapshot, sent), "drift") == 1);
    }
  }
}

TEST_CASE("no two names are taken for one another, and raw bytes are taken for what stands for them") {
  Snapshot snapshot = drifting(0);
  snapshot.drift = {drift("a\nb", "p"), drift("a\\x0ab", "p")};
  CHECK(says(section(page_of(snapshot, "netns=a%5Cx0ab"), "drift"), "a\\x0ab"));
  CHECK(rows(page_of(snapshot, "netns=a%5Cx0ab"), "drift") == 1);
  CHECK(says(section(page_of(snapshot, "netns=a%5Cx5cx0ab"), "drift"), "a\\x5cx0ab"));
  CHECK(rows(page_of(snapshot, "netns=a%5Cx5cx0ab"), "drift") == 1);
  CHECK(rows(page_of(snapshot, "netns=a%0ab"), "drift") == 1);
  CHECK(rows(page_of(snapshot, "netns=a"), "drift") == 0);
}

TEST_CASE("a query is read as forms send it: the last of a name wins, and what is unknown is nothing") {
  struct Row {
    const char* query;
    const char* netns;
    const char* policy;
  };
  const Row table[] = {{"", "", ""},
                       {"netns=", "", ""},
                       {"netns", "", ""},
                       {"netns=a&policy=b", "a", "b"},
                       {"policy=b&netns=a&netns=c", "c", "b"},
                       {"netns=a&netns=", "", ""},
                       {"netns=a+b%2Bc&x=y&&=&%", "a b+c", ""},
                       {"NETNS=a&netnsx=b&xnetns=c", "", ""},
                       {"n%65tns=a=b", "a=b", ""},
                       {"netns=%zz%4&policy=%", "%zz%4", "%"},
                       {"netns=%ff%00%3C", "\\xff\\x00<", ""},
                       {"netns=%5cxff", "\\xff", ""}};
  for (const Row& row : table) {
    INFO(row.query);
    const Filter filter = Filter::of_query(row.query);
    CHECK(filter.netns == row.netns);
    CHECK(filter.policy == row.policy);
    CHECK(filter.active() == (filter.netns != "" || filter.policy != ""));
    CHECK(says(page_of(quiet(), row.query).all("body").front(), "Show all") == filter.active());
  }
}

TEST_CASE("a filter says what it hides, and hides nothing else") {
  Snapshot snapshot = drifting(5);
  add_event(snapshot, event_of(Event::What::drift, "n0", "even"));
  add_event(snapshot, event_of(Event::What::repair, "n1", "odd"));
  Event reload;
  reload.what = Event::What::reload;
  add_event(snapshot, reload);
  Event governed;
  governed.what = Event::What::netns_governed;
  governed.finding.netns = "n1";
  add_event(snapshot, governed);
  const auto hidden = [&](std::string_view query) {
    for (const Element& element : page_of(snapshot, query).all("p")) {
      if (says(element, "Filtered by")) return element.text;
    }
    return std::string();
  };
  CHECK(hidden("") == "");
  CHECK(hidden("policy=even").find("policy even. Hidden: 2 of 5 rows of drift and 3 of 4 events.") != std::string::npos);
  CHECK(hidden("netns=n1").find("netns n1. Hidden: 4 of 5 rows of drift and 2 of 4 events.") != std::string::npos);
  CHECK(hidden("netns=n1&policy=even").find("netns n1 and policy even. Hidden: 5 of 5") != std::string::npos);
  CHECK(says(section(page_of(snapshot, "netns=nobody"), "drift"), "The filter shows none."));
  CHECK(says(section(page_of(snapshot, "netns=nobody"), "events"), "The filter shows none."));
  CHECK(says(section(page_of(snapshot, "netns=nobody"), "verdict"), "5 of 5 settings"));
  const Page page = page_of(snapshot, "policy=routers");
  CHECK(std::any_of(page.elements().begin(), page.elements().end(),
                    [](const Element& element) { return element.attributes.count("aria-current") != 0; }));
}

TEST_CASE("a policy that is not in force stays chosen in the form") {
  const Page page = page_of(quiet(), "policy=%3Cgone%3E");
  const Element chosen = page.all("option").back();
  CHECK(chosen.attributes.count("selected") == 1);
  CHECK(chosen.attributes.at("value") == "<gone>");
  CHECK(says(chosen, "not in force"));
  CHECK(page_of(quiet(), "policy=routers").all("option").size() == 2);
}

TEST_CASE("at most 200 rows of drift are shown, and the page says how many more there are and where") {
  Snapshot snapshot = drifting(450);
  snapshot.drift_hidden = 17;
  snapshot.totals.settings += 17;
  const Page page = page_of(snapshot);
  CHECK(rows(page, "drift") == most_drift_rows);
  CHECK(says(section(page, "drift"), "first 200, by netns and key; 250 more are in the JSON."));
  CHECK(says(section(page, "drift"), "17 more are only counted; nswarden check lists them all."));
  const Page filtered = page_of(snapshot, "policy=odd");
  CHECK(rows(filtered, "drift") == most_drift_rows);
  CHECK(says(section(filtered, "drift"), "25 more are in the JSON."));
  CHECK(says(section(filtered, "drift"), "17 more are only counted, and may match"));
  CHECK_FALSE(says(section(page_of(drifting(200)), "drift"), "more"));
}

TEST_CASE("every kind of event is told, newest first, with its time and what it has") {
  Snapshot snapshot = quiet();
  std::vector<std::string> words;
  for (int what = 0; what <= static_cast<int>(Event::What::reload_failure); ++what) {
    Event event = event_of(static_cast<Event::What>(what), "n", "p");
    event.time = now + what;
    event.source = core::Source::event;
    std::string word(to_string(event.what));
    std::replace(word.begin(), word.end(), '_', ' ');
    words.insert(words.begin(), word);
    add_event(snapshot, event);
  }
  std::vector<std::string> told;
  for (const Element& element : page_of(snapshot).all("span")) {
    const auto known = element.attributes.find("class");
    if (known != element.attributes.end() && known->second.starts_with("tag ") && element.text != "up")
      told.push_back(element.text);
  }
  CHECK(told == words);
  const Element events = section(page_of(snapshot), "events");
  CHECK(says(events, "2025-11-27 14:30:36.500"));
  CHECK(events.text.find("14:30:36.500") < events.text.find("14:30:25.500"));

  Event suspend = event_of(Event::What::suspend, "n", "p");
  suspend.retry_in = std::chrono::seconds{90};
  suspend.source = core::Source::reconcile;
  Event failure = event_of(Event::What::netns_failure, "n", "");
  failure.finding.key.clear();
  failure.error = "Too many open files";
  Event unreadable = event_of(Event::What::drift, "n", "p");
  unreadable.finding.state = core::State::unreadable;
  for (const Event& event : {suspend, failure, unreadable}) add_event(snapshot, event);
  const Element more = section(page_of(snapshot), "events");
  for (const char* part : {"next try in 90s", "seen by a sweep", "seen by an event", "Too many open files",
                           "want 1234, have 7200", "want 1234, had 7200", "unreadable"}) {
    INFO(part);
    CHECK(says(more, part));
  }
}

TEST_CASE("policies are told with their counts, sources with why they are down, the configuration with its error") {
  Snapshot snapshot = quiet();
  snapshot.policies.push_back({"watched", 21, 22, 23, 24, 25, false});
  snapshot.sources = {{"inotify", true, "no longer true"}, {"sysctl", false, "no fanotify"}};
  snapshot.unlisted = {{"/run/other", false, "open: Permission denied"}};
  Page page = page_of(snapshot);
  CHECK(says(section(page, "policies"), "watchedaudit2122232425"));
  CHECK(says(section(page, "policies"), "routersenforce24000"));
  CHECK(says(section(page, "sources"), "downno fanotify"));
  CHECK(says(section(page, "sources"), "not listedopen: Permission denied"));
  CHECK_FALSE(says(section(page, "sources"), "no longer true"));
  CHECK(says(section(page, "configuration"), "/etc/nswarden/nswarden.yaml"));
  CHECK(says(section(page, "configuration"), "0123456789ab"));
  CHECK_FALSE(says(section(page, "configuration"), "0123456789abc"));
  CHECK(html_of(snapshot).find("<code title=\"0123456789abcdef0123\">") != std::string::npos);
  CHECK(says(section(page, "configuration"), "2025-11-27 13:30:25 1 h 0 min ago"));
  CHECK(says(section(page, "configuration"), "none: this is the last one that was read"));
  std::string notices;
  for (const Element& element : page.all("ul")) notices += element.text;
  CHECK(notices.find("Suspended: 24 settings") != std::string::npos);
  CHECK(notices.find("Down: 1 event source") != std::string::npos);
  CHECK(notices.find("Not listed: 1 place") != std::string::npos);
  CHECK(notices.find("--audit") == std::string::npos);

  snapshot.config.error = "nswarden.yaml:3:1: unknown field";
  snapshot.config.failed_seconds = now - 61;
  snapshot.config.audit = true;
  page = page_of(snapshot);
  CHECK(says(section(page, "configuration"), "14:29:24 1 min agonswarden.yaml:3:1: unknown field"));
  CHECK(says(section(page, "configuration"), "none: started with --audit"));
  const Element list = page.all("ul").back();
  CHECK(says(list, "was refused, so that the one before stays in force: nswarden.yaml:3:1: unknown field"));
  CHECK(says(list, "Started with --audit: drift is shown, nothing is written."));
  CHECK(page_of(quiet()).all("ul").size() == 1);  // the links alone
}

TEST_CASE("the page has what a screen reader goes by") {
  Snapshot snapshot = drifting(2);
  add_event(snapshot, event_of(Event::What::drift, "n0", "even"));
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

TEST_CASE("every colour of text has a contrast of 4.5 to what it stands on, in both modes") {
  const std::string_view style = status_style;
  const std::size_t dark = style.find("prefers-color-scheme: dark");
  REQUIRE(dark != std::string_view::npos);
  for (const std::string_view mode : {style.substr(0, dark), style.substr(dark)}) {
    for (const char* text : {"ink", "dim", "link"}) {
      for (const char* ground : {"page", "card", "good-card", "bad-card", "warn-card"}) {
        INFO(text << " on " << ground);
        CHECK(contrast(colour(mode, text), colour(mode, ground)) >= 4.5);
      }
    }
    for (const std::string mood : {"good", "bad", "warn"}) {
      INFO(mood);
      CHECK(contrast(colour(mode, mood), colour(mode, mood + "-card")) >= 4.5);
    }
  }
  CHECK(contrast("#ffffff", "#000000") == Approx(21));
}

TEST_CASE("times are UTC, and what is no time of ours is bent to one") {
  CHECK(utc_text(now) == "2025-11-27T14:30:25.500Z");
  CHECK(utc_text(0) == "1970-01-01T00:00:00.000Z");
  CHECK(utc_text(951827696.0) == "2000-02-29T12:34:56.000Z");
  CHECK(utc_text(-5) == "1970-01-01T00:00:00.000Z");
  CHECK(utc_text(std::numeric_limits<double>::quiet_NaN()) == "1970-01-01T00:00:00.000Z");
  CHECK(utc_text(std::numeric_limits<double>::infinity()) == "9999-12-31T23:59:59.000Z");
  CHECK(age_text(-3) == "0 s");
  CHECK(age_text(59.9) == "59 s");
  CHECK(age_text(60) == "1 min");
  CHECK(age_text(3600 * 5 + 60 * 20 + 1) == "5 h 20 min");
  CHECK(age_text(86400 * 3 + 3600 * 4) == "3 d 4 h");
  CHECK(age_text(std::numeric_limits<double>::infinity()).ends_with(" h"));
}
