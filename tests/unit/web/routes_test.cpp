// SPDX-License-Identifier: Apache-2.0
#include <catch.hpp>
#include <nlohmann/json.hpp>
#include <nswarden/base/build_info.hpp>
#include <string>

#include <nswarden/web/url.hpp>
#include "responses.hpp"
#include "web/gzip.hpp"
#include "web/tcp.hpp"

namespace {

using namespace nswarden;

struct Site {
  Metrics metrics;
  SnapshotSlot snapshots;
  WebOptions options;
  int reloads = 0;
  std::string reload_problem;

  Response ask(std::string_view method, std::string_view path, std::string_view accept_encoding = "",
               std::string_view query = "") {
    const WebSources sources{&metrics, &snapshots, [this] {
                               ++reloads;
                               return reload_problem;
                             }};
    return respond({method, path, query, accept_encoding}, options, sources);
  }
};

}  // namespace

TEST_CASE("each path answers its methods and no others") {
  struct Row {
    const char* method;
    const char* path;
    bool lifecycle;
    int status;
    const char* allow;
  };
  const Row rows[] = {
      {"GET", "/", false, 200, ""},
      {"HEAD", "/", false, 200, ""},
      {"POST", "/", false, 405, "GET, HEAD"},
      {"GET", "/metrics", false, 200, ""},
      {"HEAD", "/metrics", false, 200, ""},
      {"DELETE", "/metrics", false, 405, "GET, HEAD"},
      {"OPTIONS", "/metrics", false, 405, "GET, HEAD"},
      {"get", "/metrics", false, 405, "GET, HEAD"},
      {"GET", "/-/healthy", false, 200, ""},
      {"HEAD", "/-/healthy", false, 200, ""},
      {"PUT", "/-/healthy", false, 405, "GET, HEAD"},
      {"GET", "/-/ready", false, 503, ""},
      {"HEAD", "/-/ready", false, 503, ""},
      {"POST", "/-/ready", false, 405, "GET, HEAD"},
      {"GET", "/api/v1/status", false, 200, ""},
      {"HEAD", "/api/v1/status", false, 200, ""},
      {"POST", "/api/v1/status", false, 405, "GET, HEAD"},
      {"GET", "/api/v1/events", false, 200, ""},
      {"HEAD", "/api/v1/events", false, 200, ""},
      {"DELETE", "/api/v1/events", true, 405, "GET, HEAD"},
      {"GET", "/api/v1/", false, 404, ""},
      {"GET", "/api/v1/status/", false, 404, ""},
      {"POST", "/-/reload", false, 404, ""},
      {"GET", "/-/reload", false, 404, ""},
      {"POST", "/-/reload", true, 200, ""},
      {"GET", "/-/reload", true, 405, "POST"},
      {"HEAD", "/-/reload", true, 405, "POST"},
      {"GET", "", false, 404, ""},
      {"GET", "//", false, 404, ""},
      {"GET", "//metrics", false, 404, ""},
      {"GET", "/metrics/", false, 404, ""},
      {"GET", "/metricsfoo", false, 404, ""},
      {"GET", "/Metrics", false, 404, ""},
      {"GET", "/metrics/../metrics", false, 404, ""},
      {"GET", "/./metrics", false, 404, ""},
      {"DELETE", "/nothing", false, 404, ""},
      {"GET", "/-/healthy/", true, 404, ""},
      {"GET", "/index.html", true, 404, ""},
  };
  for (const Row& row : rows) {
    INFO(row.method << " " << row.path << " lifecycle " << row.lifecycle);
    Site site;
    site.options.enable_lifecycle = row.lifecycle;
    const Response response = site.ask(row.method, row.path);
    CHECK(response.status == row.status);
    CHECK(header(response, "Allow") == row.allow);
    CHECK_FALSE(response.body.empty());
    CHECK(site.reloads == (row.status == 200 && std::string(row.method) == "POST" ? 1 : 0));
  }
}

TEST_CASE("metrics live where the operator put them, and only there") {
  Site site;
  site.options.telemetry_path = "/a b";
  CHECK(site.ask("GET", "/a b").body.find("nswarden_build_info{") != std::string::npos);
  CHECK(site.ask("GET", "/metrics").status == 404);
  site.options.telemetry_path = "/";
  CHECK(site.ask("GET", "/").body.find("nswarden_build_info{") != std::string::npos);
}

TEST_CASE("metrics are text format 0.0.4 of the newest snapshot") {
  Site site;
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->netns_pending = 17;
  site.snapshots.publish(snapshot);
  const Response response = site.ask("GET", "/metrics");
  CHECK(response.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(header(response, "Vary") == "Accept-Encoding");
  CHECK(header(response, "Content-Encoding").empty());
  CHECK(response.body.find("\nnswarden_netns_pending 17\n") != std::string::npos);
}

TEST_CASE("metrics are packed for who asks for it, and say the same") {
  Site site;
  const Response packed = site.ask("GET", "/metrics", "gzip");
  CHECK(header(packed, "Content-Encoding") == "gzip");
  CHECK(header(packed, "Vary") == "Accept-Encoding");
  CHECK(unpacked(packed.body) == site.ask("GET", "/metrics").body);
  CHECK(unpacked(gzip("")) == "");
}

TEST_CASE("the status is the report of check, with writers and what only a daemon knows") {
  Site site;
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->ready = true;
  snapshot->totals.netns = 2;
  snapshot->totals.settings = 3;
  snapshot->totals.compliant = 1;
  snapshot->totals.drifted = 1;
  snapshot->totals.missing = 1;
  snapshot->totals.failed = 4;
  nswarden::Writer writer;
  writer.pid = 70;
  writer.comm = "a\xff\"";
  writer.uid = 0;
  writer.unit = "rival.service";
  writer.time = 1763872371.125;
  Finding drifted{"q\n1", "p", "net.a.b", "1", "0", State::drifted, Reason::suspended, 0};
  Finding missing{"q-2", "p", "net.a.b", "1", "", State::missing, Reason::missing, 0};
  snapshot->drift = {{drifted, std::make_shared<const Writer>(writer), 1763872371.25}, {missing, nullptr, 1763872371.5}};
  snapshot->time = 1763872372.5;
  snapshot->last_reconcile_seconds = 1763872372;
  snapshot->unlisted = {{"/run/other", false, "gone"}};
  snapshot->policies = {{"p\n", 2, 3, 2, 1, 0, true}};
  snapshot->config = {"/etc/x.yaml", "abc", 1763872370, "x.yaml:1:1: no", 1763872371, true};
  snapshot->drift_hidden = 5;
  snapshot->sources = {{"inotify", true, ""}, {"sysctl", false, "no\nway"}};
  site.snapshots.publish(snapshot);
  const Response response = site.ask("GET", "/api/v1/status");
  CHECK(response.content_type == "application/json");
  CHECK(
      response.body ==
      R"({"schema":1,"compliant":false,"totals":{"netns":2,"settings":3,"compliant":1,"drifted":1,"missing":1,)"
      R"("unreadable":0,"fixed":0,"failed":4},"findings":[{"netns":"q\\x0a1","policy":"p","key":"net.a.b","want":"1",)"
      R"("have":"0","state":"drifted","reason":"suspended","since":1763872371.25,"writer":{"pid":70,"comm":"a\\xff\"","uid":0,)"
      R"("unit":"rival.service","time":1763872371.125}},{"netns":"q-2","policy":"p","key":"net.a.b","want":"1",)"
      R"("have":null,"state":"missing","reason":"missing","since":1763872371.5}],"findings_hidden":5,"ready":true,)"
      R"("time":1763872372.5,"last_reconcile":1763872372.0,)"
      R"("sources":[{"name":"inotify","up":true},{"name":"sysctl","up":false,"reason":"no\\x0away"}],)"
      R"("unlisted":[{"name":"/run/other","up":false,"reason":"gone"}],"policies":[{"name":"p\\x0a","mode":"enforce","netns":2,)"
      R"("settings":3,"drifted":2,"suspended":1,"conflicts":0}],"config":{"source":"/etc/x.yaml","sha256":"abc",)"
      R"("loaded":1763872370.0,"audit":true,"error":"x.yaml:1:1: no","failed":1763872371.0}})"
      "\n");
}

TEST_CASE("events are listed, each with what it has") {
  Site site;
  CHECK(site.ask("GET", "/api/v1/events").body == "{\"schema\":1,\"events\":[]}\n");
  Event drift;
  drift.time = 1763872371.5;
  drift.finding = {"q-1", "p", "net.a.b", "1", "0", State::drifted, Reason::value, 0};
  drift.source = Source::event;
  Writer sh;
  sh.pid = 7;
  sh.comm = "sh";
  drift.writer = std::make_shared<const Writer>(sh);
  Event suspend = drift;
  suspend.kind = Event::Kind::suspend;
  suspend.retry_in = std::chrono::seconds{90};
  suspend.writer = nullptr;
  Event gone;
  gone.kind = Event::Kind::netns_gone;
  gone.time = 2;
  gone.finding.netns = "q\n1";
  Event reload;
  reload.kind = Event::Kind::reload_failure;
  reload.time = 3;
  reload.error = "f.yaml:1:1: \xff";
  auto events = std::make_shared<Events>();
  for (const Event& event : {drift, suspend, gone, reload}) events->push_back(std::make_shared<const Event>(event));
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->events = events;
  site.snapshots.publish(snapshot);
  const auto json = nlohmann::json::parse(site.ask("GET", "/api/v1/events").body);
  CHECK(json["schema"] == 1);
  REQUIRE(json["events"].size() == 4);
  const auto setting = nlohmann::json::parse(
      R"({"netns":"q-1","policy":"p","key":"net.a.b","want":"1","have":"0","state":"drifted","reason":"value",)"
      R"("time":1763872371.5,"source":"event"})");
  auto expected = setting;
  expected["event"] = "drift";
  expected["writer"] = {{"pid", 7}, {"comm", "sh"}};
  CHECK(json["events"][0] == expected);
  expected = setting;
  expected["event"] = "suspend";
  expected["retry_in_seconds"] = 90;
  CHECK(json["events"][1] == expected);
  CHECK(json["events"][2] == nlohmann::json::parse(R"({"time":2.0,"event":"netns_gone","netns":"q\\x0a1"})"));
  CHECK(json["events"][3] == nlohmann::json::parse(R"({"time":3.0,"event":"reload_failure","error":"f.yaml:1:1: \\xff"})"));
}

TEST_CASE("the API and the page are packed for who asks for them, and say the same") {
  Site site;
  for (const char* path : {"/api/v1/status", "/api/v1/events", "/"}) {
    INFO(path);
    const Response packed = site.ask("GET", path, "gzip");
    CHECK(header(packed, "Content-Encoding") == "gzip");
    CHECK(header(packed, "Vary") == "Accept-Encoding");
    const Response plain = site.ask("GET", path);
    CHECK(header(plain, "Content-Encoding").empty());
    CHECK(header(plain, "Vary") == "Accept-Encoding");
    CHECK(unpacked(packed.body) == plain.body);
  }
}

TEST_CASE("gzip is wanted when it is named or starred with a weight above 0") {
  struct Row {
    const char* field;
    bool wanted;
  };
  const Row rows[] = {{"gzip", true},
                      {"GZIP", true},
                      {"x-gzip", true},
                      {"deflate, gzip;q=1.0, *;q=0.5", true},
                      {"br;q=1.0, gzip;q=0.001", true},
                      {"*", true},
                      {"*;q=0", false},
                      {"gzip;q=0", false},
                      {"gzip;q=0.000", false},
                      {"gzip ; q=0", false},
                      {"gzip;Q=0, *", false},
                      {"*, gzip;q=0", false},
                      {"", false},
                      {"identity", false},
                      {"gzipped", false},
                      {"not-gzip", false},
                      {",,;;=,", false}};
  for (const Row& row : rows) {
    INFO(row.field);
    CHECK(wants_gzip(row.field) == row.wanted);
  }
}

TEST_CASE("a loop that has been silent for too long is not healthy, and is again when it goes on") {
  Site site;
  const auto now = std::chrono::steady_clock::now();
  site.snapshots.alive_until(now - std::chrono::seconds(1));
  CHECK(site.ask("GET", "/-/healthy").status == 503);
  CHECK(site.ask("GET", "/-/healthy").body == "not healthy: the loop makes no progress in its sweep\n");
  CHECK(site.ask("GET", "/metrics").status == 200);
  site.snapshots.alive_until(now + std::chrono::hours(1));
  CHECK(site.ask("GET", "/-/healthy").status == 200);
}

TEST_CASE("healthy is said before and after the first sweep, ready only after it, with the sources that are down") {
  Site site;
  CHECK(site.ask("GET", "/-/healthy").body == "nswarden is healthy.\n");
  CHECK(site.ask("GET", "/-/ready").body == "not ready: the first sweep is not done\n");
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->ready = true;
  snapshot->sources = {{"inotify", true, ""}, {"mount", false, "cannot open\n/proc/self/mountinfo"}};
  site.snapshots.publish(snapshot);
  const Response response = site.ask("GET", "/-/ready");
  CHECK(response.status == 200);
  CHECK(response.body == "nswarden is ready.\nmount is down: cannot open\\x0a/proc/self/mountinfo\n");
  CHECK(site.ask("GET", "/-/healthy").status == 200);
}

TEST_CASE("a configuration that is refused makes a reload fail, with the reason") {
  Site site;
  site.options.enable_lifecycle = true;
  site.reload_problem = "/etc/nswarden/nswarden.yaml:3:1: unknown field";
  const Response response = site.ask("POST", "/-/reload");
  CHECK(response.status == 500);
  CHECK(response.body.find(site.reload_problem) != std::string::npos);
}

TEST_CASE("the status page links to the others, tells the version, and cannot be broken by the telemetry path") {
  Site site;
  site.options.telemetry_path = "/m\"><script>?#";
  const Response response = site.ask("GET", "/");
  CHECK(response.content_type == "text/html; charset=utf-8");
  CHECK(response.body.find("href=\"/m%22%3E%3Cscript%3E%3F%23\"") != std::string::npos);
  CHECK(decoded_path("/m%22%3E%3Cscript%3E%3F%23") == site.options.telemetry_path);
  for (const char* path : {"/-/healthy", "/-/ready", "/api/v1/status", "/api/v1/events"}) {
    CHECK(response.body.find(std::string("href=\"") + path + "\"") != std::string::npos);
  }
  CHECK(response.body.find(std::string(build_info().version)) != std::string::npos);
  CHECK(response.body.find(std::string(build_info().revision)) != std::string::npos);
}

TEST_CASE("the status page may load nothing but its own stylesheet, and nobody may keep or frame it") {
  Site site;
  const Response response = site.ask("GET", "/");
  const std::string policy = header(response, "Content-Security-Policy");
  for (const char* part : {"default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"}) {
    CHECK(policy.find(part) != std::string::npos);
  }
  CHECK(policy.find("unsafe") == std::string::npos);
  CHECK(policy.find("style-src 'sha256-") != std::string::npos);
  CHECK(policy.find("='; form-action") - policy.find("sha256-") == 7 + 43);
  CHECK(header(response, "X-Content-Type-Options") == "nosniff");
  CHECK(header(response, "Referrer-Policy") == "no-referrer");
  CHECK(header(response, "Cache-Control") == "no-store");
}

TEST_CASE("the query of the status page filters it") {
  Site site;
  auto snapshot = std::make_shared<Snapshot>();
  for (const char* name : {"q-1", "q-2"}) {
    snapshot->drift.push_back({{name, "p", "net.a.b", "1", "0", State::drifted, Reason::value, 0}, nullptr, 1});
  }
  site.snapshots.publish(snapshot);
  CHECK(site.ask("GET", "/").body.find("q-1</bdi>") != std::string::npos);
  const Response filtered = site.ask("GET", "/", "", "netns=q-2");
  CHECK(filtered.body.find("q-1") == std::string::npos);
  CHECK(filtered.body.find("q-2</bdi>") != std::string::npos);
}

TEST_CASE("a listen address is :PORT, HOST:PORT or [V6]:PORT") {
  using Host = ListenAddress::Host;
  struct Row {
    const char* text;
    Host kind;
    const char* host;
    int port;
  };
  const Row good[] = {{":10042", Host::any, "", 10042},
                      {"127.0.0.1:0", Host::name, "127.0.0.1", 0},
                      {"localhost:80", Host::name, "localhost", 80},
                      {"[::1]:65535", Host::ipv6, "::1", 65535},
                      {"[fe80::1%eth0]:1", Host::ipv6, "fe80::1%eth0", 1}};
  for (const Row& row : good) {
    INFO(row.text);
    const auto address = parse_listen_address(row.text);
    REQUIRE(address);
    CHECK(address->kind == row.kind);
    CHECK(address->host == row.host);
    CHECK(address->port == row.port);
  }
  for (const char* bad : {"", "10042", ":", ":65536", ":-1", ":+1", ": 1", ":1s", "::1:80", "[::1]", "[]:80", "[::1:80",
                          "a b:80", "a,b:80", "127.0.0.1:80,127.0.0.1:81", "http://a:80"}) {
    INFO(bad);
    CHECK_FALSE(parse_listen_address(bad));
  }
}

TEST_CASE("a path is decoded once, and what cannot be one of ours is none") {
  CHECK(decoded_path("/metrics") == "/metrics");
  CHECK(decoded_path("/%6Detrics") == "/metrics");
  CHECK(decoded_path("/a%2541") == "/a%41");
  CHECK(decoded_path("/a+b") == "/a+b");
  for (const char* bad : {"/metrics%00", "/%", "/%4", "/%zz", "/%+1", "/%-1", "/% 1"}) {
    INFO(bad);
    CHECK_FALSE(decoded_path(bad));
  }
}
