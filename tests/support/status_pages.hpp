// SPDX-License-Identifier: Apache-2.0
// Snapshots for tests of the status page, and accessors for its content. Each parsed page is checked to be well formed.
#pragma once

#include <catch.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "markup.hpp"
#include "web/status_page.hpp"

namespace nswarden {

using markup::Element;
using markup::Page;

inline constexpr double now = 1764253825.5;  // 2025-11-27 14:30:25.500 UTC
inline const std::string keepalive = "net.ipv4.tcp_keepalive_time";

inline Page read(const std::string& html) {
  Page page(html);
  CHECK(page.problem() == "");
  return page;
}

inline std::string html_of(const Snapshot& snapshot, std::string_view query = {}) {
  return status_page(snapshot, Filter::of_query(query), "/metrics", {"1.2.3", "abcdef", "gcc"});
}

inline Page page_of(const Snapshot& snapshot, std::string_view query = {}) { return read(html_of(snapshot, query)); }

/// The section below the heading with this id.
inline Element section(const Page& page, std::string_view id) {
  for (const Element& element : page.all("section")) {
    if (element.attributes.at("aria-labelledby") == id) return element;
  }
  FAIL("no section " << id);
  return {};
}

inline bool contains(const Element& element, std::string_view text) { return element.text.find(text) != std::string::npos; }

/// Links to this page whose query starts with `start`.
inline std::vector<Element> links(const Page& page, std::string_view start) {
  std::vector<Element> found;
  for (const Element& element : page.all("a")) {
    if (element.attributes.at("href").starts_with(start)) found.push_back(element);
  }
  return found;
}

inline DriftSnapshot drift(const std::string& netns, const std::string& policy, State state = State::drifted) {
  return {{netns, policy, keepalive, "1234", state == State::drifted ? "7200" : "", state}, nullptr, now - 125};
}

inline void add_event(Snapshot& snapshot, Event event) {
  Events events = snapshot.events ? *snapshot.events : Events{};
  events.push_back(std::make_shared<const Event>(std::move(event)));
  snapshot.events = std::make_shared<const Events>(std::move(events));
}

inline Event event_of(Event::Kind kind, const std::string& netns, const std::string& policy) {
  Event event;
  event.kind = kind;
  event.time = now - 3;
  event.finding = drift(netns, policy).finding;
  return event;
}

inline Snapshot quiet(std::size_t netns = 2, std::size_t settings = 4) {
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

/// A snapshot with `count` drifted settings, in netns n0, n1, ...
inline Snapshot drifting(std::size_t count) {
  Snapshot snapshot = quiet(count, count);
  snapshot.totals.compliant = 0;
  snapshot.totals.drifted = count;
  for (std::size_t i = 0; i < count; ++i) snapshot.drift.push_back(drift("n" + std::to_string(i), i % 2 == 0 ? "even" : "odd"));
  return snapshot;
}

inline std::size_t rows(const Page& page, std::string_view id) {
  const std::string html = section(page, id).text;
  std::size_t count = 0;
  for (std::size_t at = 0; (at = html.find(keepalive, at)) != std::string::npos; ++at) ++count;
  return count;
}

}  // namespace nswarden
