// SPDX-License-Identifier: Apache-2.0
// The input is a byte of flags, then one per line: method, raw path, Accept-Encoding, --web.telemetry-path, result of a
// reload; then names of netns, policies and processes separated by slashes, as a hostile host puts them on the pages.
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include <nswarden/web/url.hpp>
#include "../support/markup.hpp"
#include "../support/responses.hpp"
#include "exposition.hpp"
#include "oracle.hpp"
#include "web/gzip.hpp"
#include "web/status_page.hpp"

using namespace nswarden;

namespace {

constexpr std::string_view html = "text/html; charset=utf-8";
constexpr std::string_view plain = "text/plain; charset=utf-8";
constexpr std::string_view json_type = "application/json";
constexpr std::string_view exposition = "text/plain; version=0.0.4; charset=utf-8";

enum Flag : unsigned { lifecycle = 1, ready = 2, counted = 4 };

struct Site {
  const Metrics* metrics = nullptr;
  SnapshotSlot snapshots;
  WebOptions options;
  std::string reload_problem;
  bool ready = false;
  std::size_t weak = 0;  ///< sources that are down and directories that cannot be listed
};

struct Answer {
  Response response;
  int reloads = 0;
};

Answer ask(const Site& site, const Request& request) {
  Answer answer;
  const auto reload = [&] {
    ++answer.reloads;
    return site.reload_problem;
  };
  answer.response = respond(request, site.options, {site.metrics, &site.snapshots, reload});
  return answer;
}

std::shared_ptr<const Writer> writer_of(std::string_view name) {
  Writer writer;
  writer.pid = static_cast<std::int64_t>(name.size());
  writer.comm = name;
  writer.exe = name;
  writer.cgroup = name;
  writer.unit = name;
  return std::make_shared<const Writer>(std::move(writer));
}

void add_events(Events& events, const Finding& finding, const std::shared_ptr<const Writer>& writer) {
  Event drift;
  drift.finding = finding;
  drift.writer = writer;
  Event gone;
  gone.kind = Event::Kind::netns_gone;
  gone.finding.netns = finding.netns;
  gone.error = finding.netns;
  for (Event& event : {std::ref(drift), std::ref(gone)}) events.push_back(std::make_shared<const Event>(event));
}

/// Fills all fields of the pages that hold external names.
std::shared_ptr<Snapshot> snapshot_of(std::string_view names, unsigned flags) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->ready = (flags & Flag::ready) != 0;
  snapshot->sources = {{"inotify", true, ""}, {"mount", names.empty(), std::string(names)}};
  const auto events = std::make_shared<Events>();
  snapshot->events = events;
  std::set<std::string_view> seen;
  snapshot->config = {std::string(names), "00ff", 0, std::string(names), 0, false};
  while (!names.empty() && seen.size() < 8) {
    const std::string_view name = fuzz::next_part(names, '/');
    if (!seen.insert(name).second) continue;
    PolicySnapshot& policy = snapshot->policies.emplace_back();
    policy.name = name;
    policy.drifted = seen.size();
    DriftSnapshot& drift = snapshot->drift.emplace_back();
    Finding& finding = drift.finding;
    finding.netns = name;
    finding.policy = name;
    finding.key = "net.ipv4.ip_forward";
    finding.have = name;
    finding.note = name;
    if (seen.size() % 2 == 0) drift.writer = writer_of(name);
    add_events(*events, finding, drift.writer);
    snapshot->unlisted.push_back({std::string(name), false, std::string(name)});
  }
  return snapshot;
}

std::string text_of(const Response& response, const Request& request) {
  if (!wants_gzip(request.accept_encoding)) return response.body;
  const auto text = unpacked(response.body);
  fuzz::require(text.has_value(), "what is packed can be unpacked");
  return *text;
}

void check_headers(const Response& response) {
  for (const auto& field : response.headers) {
    static const std::set<std::string_view> names{
        "Allow",           "Vary",         "Content-Encoding", "Content-Security-Policy", "X-Content-Type-Options",
        "Referrer-Policy", "Cache-Control"};
    const bool known = names.count(field.first) != 0;
    fuzz::require(known, "only headers of ours", field.first);
    fuzz::require(field.second.find_first_of("\r\n") == std::string::npos, "a header is one line", field.second);
  }
}

void check_metrics(const Response& response, const Request& request, const Site& site) {
  fuzz::require(response.content_type == exposition && header(response, "Vary") == "Accept-Encoding",
                "metrics say what they are");
  const bool packed = wants_gzip(request.accept_encoding);
  fuzz::require(header(response, "Content-Encoding") == (packed ? "gzip" : ""), "packed for who asks", request.accept_encoding);
  const std::string text = text_of(response, request);
  fuzz::require(text == site.metrics->text(*site.snapshots.newest()), "packed or not, metrics are the same");
  fuzz::Exposition::check(text);
}

void check_strings(const nlohmann::json& json) {
  for (const auto& part : json) {
    if (part.is_structured()) check_strings(part);
    if (!part.is_string()) continue;
    const auto& text = part.get_ref<const std::string&>();
    fuzz::require(text.empty() || fuzz::is_one_line(text), "names in JSON are printable", text);
  }
}

void check_json(const Response& response, const Request& request, const Site& site) {
  fuzz::require(header(response, "Vary") == "Accept-Encoding", "what may be packed says so");
  const bool packed = wants_gzip(request.accept_encoding);
  fuzz::require(header(response, "Content-Encoding") == (packed ? "gzip" : ""), "packed for who asks", request.accept_encoding);
  const std::string text = text_of(response, request);
  fuzz::require(text.ends_with('\n') && text.find('\n') == text.size() - 1, "an answer of the API is one line", text);
  const auto json = nlohmann::json::parse(text, nullptr, false);
  fuzz::require(!json.is_discarded() && json.value("schema", 0) == 1, "an answer of the API is JSON of schema 1", text);
  const bool is_status = request.path == "/api/v1/status";
  const Snapshot& snapshot = *site.snapshots.newest();
  const std::size_t shown = json.at(is_status ? "findings" : "events").size();
  fuzz::require(shown == (is_status ? snapshot.drift.size() : snapshot.events->size()), "each has its place", text);
  check_strings(json);
}

std::vector<std::string> element_names(const markup::Page& page) {
  std::vector<std::string> names;
  for (const markup::Element& element : page.elements()) names.push_back(element.name);
  return names;
}

/// Replaces names by harmless ones; preserves emptiness and equality.
Snapshot tamed(Snapshot snapshot) {
  std::size_t count = 0;
  const auto tame = [&](std::string& name) {
    if (!name.empty()) name = "n" + std::to_string(count);
  };
  for (DriftSnapshot& drift : snapshot.drift) {
    ++count;
    for (std::string* name : {&drift.finding.netns, &drift.finding.policy, &drift.finding.have, &drift.finding.note})
      tame(*name);
  }
  for (SourceSnapshot& source : snapshot.unlisted) tame(source.reason);
  for (std::string* text : {&snapshot.config.source, &snapshot.config.error}) tame(*text);
  return snapshot;
}

void check_page(const Response& response, const Request& request, const Site& site) {
  fuzz::require(header(response, "Vary") == "Accept-Encoding", "what may be packed says so");
  fuzz::require(header(response, "Content-Security-Policy") == status_content_policy(), "the page may load nothing");
  const std::string body = text_of(response, request);
  fuzz::require(is_valid_utf8(body), "the page is UTF-8");
  const markup::Page page(body);
  fuzz::require(page.problem().empty(), "names cannot add markup", page.problem());
  Site tame;
  tame.metrics = site.metrics;
  tame.snapshots.publish(std::make_shared<const Snapshot>(tamed(*site.snapshots.newest())));
  const auto elements = [&](const Site& of) {
    return element_names(markup::Page(ask(of, {"GET", "/", {}, {}}).response.body));
  };
  fuzz::require(elements(site) == elements(tame), "names cannot change the page's elements");
  // A netns link leads to a page with that netns.
  for (const markup::Element& link : page.all("a")) {
    const auto href = link.attributes.find("href");
    fuzz::require(href != link.attributes.end(), "a link leads somewhere");
    if (!href->second.starts_with("/?netns=")) continue;
    const std::string there = ask(site, {"GET", "/", std::string_view(href->second).substr(2), {}}).response.body;
    bool found = false;
    for (const markup::Element& other : markup::Page(there).all("a")) found = found || other.text == link.text;
    fuzz::require(found, "a link selects what it says", link.text);
    break;  // one per input: a page dominates the cost
  }
}

void check_text(const Response& response, const Site& site, bool is_reload) {
  fuzz::require(response.content_type == plain, "everything else is plain text", response.content_type);
  std::string_view rest = response.body;
  fuzz::require(rest.ends_with('\n'), "a text is whole lines", rest);
  if (is_reload) return;
  std::size_t lines = 0;
  for (; !rest.empty(); ++lines) {
    const std::string_view line = fuzz::next_part(rest, '\n');
    fuzz::require(fuzz::is_one_line(line), "names cannot make lines of their own", line);
  }
  const std::size_t most = response.status == 200 && site.ready ? 1 + site.weak : 1;
  fuzz::require(lines == 1 || lines == most, "one line, and one for each thing that is weak", response.body);
}

bool is_api(const Request& request) { return request.path == "/api/v1/status" || request.path == "/api/v1/events"; }

void check_answer(const Answer& answer, const Request& request, const Site& site) {
  const Response& response = answer.response;
  const bool reload_path = request.path == "/-/reload" && site.options.enable_lifecycle;
  const bool reloads = reload_path && request.method == "POST";
  const bool reads = request.method == "GET" || request.method == "HEAD";
  fuzz::require(answer.reloads == (reloads ? 1 : 0), "only a POST to its path reloads", request.path);
  fuzz::require(!response.body.empty(), "every answer says something");
  check_headers(response);
  switch (response.status) {
    case 200:
      fuzz::require(reloads ? site.reload_problem.empty() : reads, "only what may be asked is answered", request.method);
      break;
    case 404:
      fuzz::require(!is_api(request) && request.path != "/" && request.path != site.options.telemetry_path,
                    "what is there is found");
      break;
    case 405:
      fuzz::require(header(response, "Allow") == (reload_path ? "POST" : "GET, HEAD"), "405 says what is allowed");
      break;
    case 500: fuzz::require(reloads && !site.reload_problem.empty(), "500 is a reload that was refused"); break;
    case 503: fuzz::require(reads && request.path == "/-/ready" && !site.ready, "503 is for readiness"); break;
    default: fuzz::require(false, "a status is one of ours", std::to_string(response.status));
  }
  if (response.status == 200 && reads && request.path == site.options.telemetry_path) {
    check_metrics(response, request, site);
  } else if (response.content_type == json_type) {
    fuzz::require(response.status == 200 && is_api(request), "only the API is JSON", request.path);
    check_json(response, request, site);
  } else if (response.content_type == html) {
    fuzz::require(response.status == 200 && request.path == "/", "only the status page is HTML", request.path);
    check_page(response, request, site);
  } else {
    check_text(response, site, reloads);
  }
}

/// A HEAD response equals that of GET including Content-Length; the server omits the body.
void check_head(const Site& site, const Request& request, const Response& get) {
  const Response head = ask(site, {"HEAD", request.path, request.query, request.accept_encoding}).response;
  const bool same = get.status == head.status && get.content_type == head.content_type && get.headers == head.headers;
  fuzz::require(same && get.body == head.body, "HEAD says what GET does", request.path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned flags = data[0];
  std::string_view rest = fuzz::input(data + 1, size - 1);
  const std::string_view method = fuzz::next_part(rest, '\n');
  std::string_view query = fuzz::next_part(rest, '\n');
  const std::string_view raw = fuzz::next_part(query, '?');
  const std::string_view accept_encoding = fuzz::next_part(rest, '\n');
  Site site;
  site.options.telemetry_path = fuzz::next_part(rest, '\n');
  site.options.enable_lifecycle = (flags & Flag::lifecycle) != 0;
  site.reload_problem = fuzz::next_part(rest, '\n');
  site.ready = (flags & Flag::ready) != 0;
  const auto snapshot = snapshot_of(rest, flags);
  site.snapshots.publish(snapshot);
  site.weak = snapshot->unlisted.size() + (snapshot->sources[1].up ? 0 : 1);
  // Constructing these each time would dominate a run.
  static const Metrics fresh;
  std::optional<Metrics> used;
  if ((flags & Flag::counted) != 0) {
    used.emplace();
    for (const PolicySnapshot& policy : snapshot->policies) {
      used->write_attempt(policy.name, Outcome::failed, 5);
      used->drift_written(policy.name);
    }
  }
  site.metrics = used ? &*used : &fresh;

  const auto path = decoded_path(raw);
  if (!path) {
    fuzz::require(raw.find('%') != std::string_view::npos, "a path without codes is one", raw);
    return 0;
  }
  fuzz::require(path->size() <= raw.size() && (raw.find('%') != std::string_view::npos || *path == raw), "decoding shortens",
                raw);
  const Request request{method, *path, query, accept_encoding};
  const Answer answer = ask(site, request);
  check_answer(answer, request, site);
  if (request.method == "GET") check_head(site, request, answer.response);
  return 0;
}
