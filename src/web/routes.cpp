// SPDX-License-Identifier: Apache-2.0
#include "web/routes.hpp"

#include <fmt/format.h>

#include <nswarden/base/build_info.hpp>
#include <nswarden/base/text.hpp>
#include <nswarden/report/json.hpp>

#include "web/gzip.hpp"
#include "web/status_page.hpp"
#include "web/status_style.hpp"

namespace nswarden {
namespace {

Json json_of(const std::vector<SourceSnapshot>& sources) {
  Json list = Json::array();
  for (const SourceSnapshot& source : sources) {
    Json json{{"name", printable(source.name)}, {"up", source.up}};
    if (!source.up) json["reason"] = printable(source.reason);
    list.push_back(std::move(json));
  }
  return list;
}

Json json_of(const std::vector<PolicySnapshot>& policies) {
  Json list = Json::array();
  for (const PolicySnapshot& policy : policies) {
    list.push_back({{"name", printable(policy.name)},
                    {"mode", policy.enforcing ? "enforce" : "audit"},
                    {"netns", policy.netns},
                    {"settings", policy.settings},
                    {"drifted", policy.drifted},
                    {"suspended", policy.suspended},
                    {"conflicts", policy.conflicts}});
  }
  return list;
}

Json json_of(const ConfigSnapshot& config) {
  Json json{{"source", printable(config.source)},
            {"sha256", config.hash},
            {"loaded", config.loaded_seconds},
            {"audit", config.audit}};
  if (!config.error.empty()) {
    json["error"] = printable(config.error);
    json["failed"] = config.failed_seconds;
  }
  return json;
}

constexpr const char* plain = "text/plain; charset=utf-8";

Response text(int status, std::string body) { return {status, plain, std::move(body), {}}; }

/// What may be long is packed for who asks for it.
Response long_text(const Request& request, const char* content_type, std::string body) {
  Response response{200, content_type, std::move(body), {{"Vary", "Accept-Encoding"}}};
  if (wants_gzip(request.accept_encoding)) {
    response.body = gzip(response.body);
    response.headers.emplace_back("Content-Encoding", "gzip");
  }
  return response;
}

/// Nobody else's page may show or keep it, and it may load nothing.
Response page(const Request& request, const WebOptions& options, const WebSources& sources) {
  Response response = long_text(
      request, "text/html; charset=utf-8",
      status_page(*sources.snapshots->newest(), Filter::of_query(request.query), options.telemetry_path, build_info()));
  response.headers.emplace_back("Content-Security-Policy", status_content_policy());
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Response metrics(const Request& request, const WebSources& sources) {
  return long_text(request, "text/plain; version=0.0.4; charset=utf-8", sources.metrics->text(*sources.snapshots->newest()));
}

Response ready(const WebSources& sources) {
  const auto snapshot = sources.snapshots->newest();
  if (!snapshot->ready) return text(503, "not ready: the first sweep is not done\n");
  std::string body = "nswarden is ready.\n";
  for (const SourceSnapshot& source : snapshot->sources) {
    if (!source.up) body += fmt::format("{} is down: {}\n", source.name, printable(source.reason));
  }
  for (const SourceSnapshot& directory : snapshot->unlisted) {
    body += fmt::format("{} cannot be listed: {}\n", printable(directory.name), printable(directory.reason));
  }
  for (const std::string& hindrance : snapshot->hindrances) body += printable(hindrance) + '\n';
  return text(200, std::move(body));
}

/// Not before the loop has been silent for longer than it may be: what restarts the daemon for it must be sure.
Response healthy(const WebSources& sources) {
  if (sources.snapshots->alive(std::chrono::steady_clock::now())) return text(200, "nswarden is healthy.\n");
  return text(503, "not healthy: the loop does not get on with its sweep\n");
}

Response reload(const WebSources& sources) {
  const std::string problem = sources.reload();
  if (problem.empty()) return text(200, "The configuration was reloaded.\n");
  return text(500, fmt::format("The configuration was refused, the last good one stays: {}\n", problem));
}

Response wrong_method(const char* allowed) {
  Response response = text(405, "Method not allowed.\n");
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace

std::string status_json(const Snapshot& snapshot) {
  Json json{{"schema", 1},
            {"compliant", snapshot.totals.compliant == snapshot.totals.settings},
            {"totals", json_of(snapshot.totals)},
            {"findings", Json::array()},
            {"findings_hidden", snapshot.drift_hidden},
            {"ready", snapshot.ready},
            {"time", snapshot.time},
            {"last_reconcile", snapshot.last_reconcile_seconds},
            {"sources", json_of(snapshot.sources)},
            {"unlisted", json_of(snapshot.unlisted)},
            {"policies", json_of(snapshot.policies)},
            {"config", json_of(snapshot.config)}};
  for (const auto& [finding, writer, since] : snapshot.drift) {
    Json shown = json_of(finding);
    shown["since"] = since;
    if (writer) shown["writer"] = json_of(*writer);
    json["findings"].push_back(std::move(shown));
  }
  return line_of(json);
}

std::string events_json(const Snapshot& snapshot) {
  Json json{{"schema", 1}, {"events", Json::array()}};
  if (snapshot.events) {
    for (const auto& event : *snapshot.events) json["events"].push_back(json_of(*event));
  }
  return line_of(json);
}

Response respond(const Request& request, const WebOptions& options, const WebSources& sources) {
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (request.path == "/-/reload" && options.enable_lifecycle) {
    return request.method == "POST" ? reload(sources) : wrong_method("POST");
  }
  const bool is_metrics = request.path == options.telemetry_path;
  const bool is_status = request.path == "/api/v1/status";
  const bool is_events = request.path == "/api/v1/events";
  const bool is_page = request.path == "/" || request.path == "/-/healthy" || request.path == "/-/ready";
  const bool known = is_metrics || is_status || is_events || is_page;
  if (!known) return text(404, "Not found.\n");
  if (!is_read) return wrong_method("GET, HEAD");
  if (is_metrics) return metrics(request, sources);
  if (is_status) return long_text(request, "application/json", status_json(*sources.snapshots->newest()));
  if (is_events) return long_text(request, "application/json", events_json(*sources.snapshots->newest()));
  if (request.path == "/-/healthy") return healthy(sources);
  if (request.path == "/-/ready") return ready(sources);
  return page(request, options, sources);
}

}  // namespace nswarden
