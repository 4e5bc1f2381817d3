// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <nswarden/app/build_info.hpp>
#include <nswarden/app/web.hpp>
#include <nswarden/core/text.hpp>

#include "app/api.hpp"
#include "app/gzip.hpp"

namespace nswarden::app {
namespace {

constexpr const char* plain = "text/plain; charset=utf-8";

Response text(int status, std::string body) { return {status, plain, std::move(body), {}}; }

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

Response start_page(const WebOptions& options) {
  const std::string path = html_escaped(options.telemetry_path);
  std::string page = fmt::format(R"(<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>nswarden</title></head>
<body>
<h1>nswarden</h1>
<p>Keeps the sysctls of network namespaces as the policy says. Version {}, revision {}.</p>
<ul>
<li><a href="{}">Metrics</a></li>
<li><a href="/api/v1/status">Status</a></li>
<li><a href="/api/v1/events">Events</a></li>
<li><a href="/-/healthy">Health</a></li>
<li><a href="/-/ready">Readiness</a></li>
</ul>
</body>
</html>
)",
                                 html_escaped(build_info().version), html_escaped(build_info().revision), path);
  return {200, "text/html; charset=utf-8", std::move(page), {}};
}

/// What may be long is packed for who asks for it.
Response long_text(const Request& request, const char* content_type, std::string body) {
  Response response{200, content_type, std::move(body), {{"Vary", "Accept-Encoding"}}};
  if (wants_gzip(request.accept_encoding)) {
    response.body = gzip(response.body);
    response.headers.emplace_back("Content-Encoding", "gzip");
  }
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
    if (!source.up) body += fmt::format("{} is down: {}\n", source.name, core::printable(source.reason));
  }
  for (const SourceSnapshot& directory : snapshot->unlisted) {
    body += fmt::format("{} cannot be listed: {}\n", core::printable(directory.name), core::printable(directory.reason));
  }
  return text(200, std::move(body));
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
  if (request.path == "/-/healthy") return text(200, "nswarden is healthy.\n");
  if (request.path == "/-/ready") return ready(sources);
  return start_page(options);
}

}  // namespace nswarden::app
