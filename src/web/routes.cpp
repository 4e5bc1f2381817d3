// SPDX-License-Identifier: Apache-2.0
#include "web/routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <nswarden/base/build_info.hpp>
#include <nswarden/base/text.hpp>
#include <nswarden/report/json.hpp>

#include "web/gzip.hpp"
#include "web/status_page.hpp"

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

/// Compresses long texts for clients that accept gzip.
Response compressible(const Request& request, const char* content_type, std::string body) {
  Response response{200, content_type, std::move(body), {{"Vary", "Accept-Encoding"}}};
  if (wants_gzip(request.accept_encoding)) {
    response.body = gzip(response.body);
    response.headers.emplace_back("Content-Encoding", "gzip");
  }
  return response;
}

/// The page must not be framed by other pages or cached, and loads no resources.
Response page(const Request& request, const Snapshot& snapshot, const std::string& telemetry_path) {
  Response response = compressible(request, "text/html; charset=utf-8",
                                   status_page(snapshot, Filter::of_query(request.query), telemetry_path, build_info()));
  response.headers.insert(response.headers.end(), {{"Content-Security-Policy", status_content_policy()},
                                                   {"X-Content-Type-Options", "nosniff"},
                                                   {"Referrer-Policy", "no-referrer"},
                                                   {"Cache-Control", "no-store"}});
  return response;
}

Response ready(const Snapshot& snapshot) {
  if (!snapshot.ready) return text_response(503, "not ready: the first sweep is not done\n");
  std::string body = "nswarden is ready.\n";
  for (const SourceSnapshot& source : snapshot.sources) {
    if (!source.up) body += fmt::format("{} is down: {}\n", source.name, printable(source.reason));
  }
  for (const SourceSnapshot& directory : snapshot.unlisted) {
    body += fmt::format("{} cannot be listed: {}\n", printable(directory.name), printable(directory.reason));
  }
  for (const std::string& missing_privilege : snapshot.missing_privileges) body += printable(missing_privilege) + '\n';
  return text_response(200, std::move(body));
}

/// Fails only after the loop has been silent beyond its limit: a supervisor restarts the daemon for this answer.
Response healthy(const SnapshotSlot& snapshots) {
  if (snapshots.alive(std::chrono::steady_clock::now())) return text_response(200, "nswarden is healthy.\n");
  return text_response(503, "not healthy: the loop makes no progress in its sweep\n");
}

Response reload(const WebSources& sources) {
  const std::string problem = sources.reload();
  if (problem.empty()) return text_response(200, "The configuration was reloaded.\n");
  return text_response(500, fmt::format("The configuration was rejected, keeping the previous one: {}\n", problem));
}

Response method_not_allowed(const char* allowed) {
  Response response = text_response(405, "Method not allowed.\n");
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
    Json entry = json_of(finding);
    entry["since"] = since;
    if (writer) entry["writer"] = json_of(*writer);
    json["findings"].push_back(std::move(entry));
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

Response text_response(int status, std::string body) { return {status, "text/plain; charset=utf-8", std::move(body), {}}; }

Response respond(const Request& request, const WebOptions& options, const WebSources& sources) {
  const std::string_view path = request.path;
  if (path == "/-/reload" && options.enable_lifecycle) {
    return request.method == "POST" ? reload(sources) : method_not_allowed("POST");
  }
  constexpr std::array<std::string_view, 5> fixed_paths{"/", "/-/healthy", "/-/ready", "/api/v1/status", "/api/v1/events"};
  const bool is_metrics = path == options.telemetry_path;
  if (!is_metrics && std::ranges::find(fixed_paths, path) == fixed_paths.end()) return text_response(404, "Not found.\n");
  if (request.method != "GET" && request.method != "HEAD") return method_not_allowed("GET, HEAD");
  const auto snapshot = sources.snapshots->newest();
  if (is_metrics) return compressible(request, "text/plain; version=0.0.4; charset=utf-8", sources.metrics->text(*snapshot));
  if (path == "/api/v1/status") return compressible(request, "application/json", status_json(*snapshot));
  if (path == "/api/v1/events") return compressible(request, "application/json", events_json(*snapshot));
  if (path == "/-/healthy") return healthy(*sources.snapshots);
  if (path == "/-/ready") return ready(*snapshot);
  return page(request, *snapshot, options.telemetry_path);
}

}  // namespace nswarden
