// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch.hpp>
#include <nswarden/base/text.hpp>
#include <string>
#include <vector>

#include <nswarden/web/url.hpp>
#include "status_pages.hpp"

namespace {

using namespace nswarden;

/// Hostile names, as any user can give to a netns, a process or a file.
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

}  // namespace

TEST_CASE("names of others are text, wherever they stand, and the page is well formed with each") {
  for (const std::string& name : hostile) {
    INFO(printable(name));
    Snapshot snapshot = drifting(1);
    Writer writer;
    writer.comm = writer.exe = writer.unit = writer.container = writer.cgroup = name;
    const auto known = std::make_shared<const Writer>(writer);
    Finding finding = drift(name, name).finding;
    finding.want = finding.have = finding.note = name;
    snapshot.drift = {{finding, known, now}};
    Event event = event_of(Event::Kind::failure, name, name);
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
    const std::string shown = printable(name);
    for (const char* id : {"drift", "events", "policies", "sources", "configuration"})
      CHECK(contains(section(page, id), shown));
    CHECK(contains(page.all("footer").front(), shown));
    CHECK(contains(page.all("li").back(), "Not listed"));
    CHECK(is_valid_utf8(html));
    // The name adds no elements to the page.
    Snapshot friendly = snapshot;
    friendly.drift[0].finding.netns = "n";
    CHECK(Page(html_of(friendly)).elements().size() == page.elements().size());
  }
}

TEST_CASE("what a link says is selected by it, whatever the name") {
  for (const std::string& name : hostile) {
    INFO(printable(name));
    Snapshot snapshot = drifting(4);
    snapshot.drift.push_back(drift(name, "p-" + name));
    snapshot.policies.push_back({"p-" + name, 1, 1, 1, 0, 0, true});
    const std::string shown = printable(name);
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
      CHECK(contains(section(filtered, "drift"), shown));
      // Submitting the form unchanged selects the same row.
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
  CHECK(contains(section(page_of(snapshot, "netns=a%5Cx0ab"), "drift"), "a\\x0ab"));
  CHECK(rows(page_of(snapshot, "netns=a%5Cx0ab"), "drift") == 1);
  CHECK(contains(section(page_of(snapshot, "netns=a%5Cx5cx0ab"), "drift"), "a\\x5cx0ab"));
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
    CHECK(contains(page_of(quiet(), row.query).all("body").front(), "Show all") == filter.active());
  }
}

TEST_CASE("a filter says what it hides, and hides nothing else") {
  Snapshot snapshot = drifting(5);
  add_event(snapshot, event_of(Event::Kind::drift, "n0", "even"));
  add_event(snapshot, event_of(Event::Kind::repair, "n1", "odd"));
  Event reload;
  reload.kind = Event::Kind::reload;
  add_event(snapshot, reload);
  Event governed;
  governed.kind = Event::Kind::netns_governed;
  governed.finding.netns = "n1";
  add_event(snapshot, governed);
  const auto hidden = [&](std::string_view query) {
    for (const Element& element : page_of(snapshot, query).all("p")) {
      if (contains(element, "Filtered by")) return element.text;
    }
    return std::string();
  };
  CHECK(hidden("") == "");
  CHECK(hidden("policy=even").find("policy even. Hidden: 2 of 5 rows of drift and 3 of 4 events.") != std::string::npos);
  CHECK(hidden("netns=n1").find("netns n1. Hidden: 4 of 5 rows of drift and 2 of 4 events.") != std::string::npos);
  CHECK(hidden("netns=n1&policy=even").find("netns n1 and policy even. Hidden: 5 of 5") != std::string::npos);
  CHECK(contains(section(page_of(snapshot, "netns=nobody"), "drift"), "No settings match the filter."));
  CHECK(contains(section(page_of(snapshot, "netns=nobody"), "events"), "No events match the filter."));
  CHECK(contains(section(page_of(snapshot, "netns=nobody"), "verdict"), "5 of 5 settings"));
  const Page page = page_of(snapshot, "policy=routers");
  CHECK(std::any_of(page.elements().begin(), page.elements().end(),
                    [](const Element& element) { return element.attributes.count("aria-current") != 0; }));
}

TEST_CASE("a policy that is not in force stays chosen in the form") {
  const Page page = page_of(quiet(), "policy=%3Cgone%3E");
  const Element chosen = page.all("option").back();
  CHECK(chosen.attributes.count("selected") == 1);
  CHECK(chosen.attributes.at("value") == "<gone>");
  CHECK(contains(chosen, "not in force"));
  CHECK(page_of(quiet(), "policy=routers").all("option").size() == 2);
}
