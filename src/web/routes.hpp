// SPDX-License-Identifier: Apache-2.0
// HTTP routing: `respond` is a pure function from a request and the newest snapshot to the response. Its only side effect is
// a reload, through a callback. Any thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nswarden/report/metrics.hpp>
#include <nswarden/report/snapshot.hpp>

namespace nswarden {

struct WebOptions {
  std::vector<std::string> listen_addresses{"127.0.0.1:10042"};  ///< `:PORT`, `HOST:PORT`, `[V6]:PORT`
  std::string telemetry_path = "/metrics";
  std::string config_file;  ///< file with TLS, users and headers; empty for none
  bool enable_lifecycle = false;
  std::chrono::milliseconds request_timeout{2000};  ///< also limits the time from the connection to a whole request
};

struct Request {
  std::string_view method;
  std::string_view path;             ///< decoded, without query
  std::string_view query;            ///< as sent, without the question mark
  std::string_view accept_encoding;  ///< empty when absent
};

struct Response {
  int status = 200;
  std::string content_type;
  std::string body;                                          ///< also set for HEAD, which omits it on the wire
  std::vector<std::pair<std::string, std::string>> headers;  ///< in addition to Content-Type and Content-Length
};

/// A plain-text response.
Response text_response(int status, std::string body);

/// Data sources of the routes. `reload` waits for the loop's verdict: empty if the configuration was accepted, else the
/// reason.
struct WebSources {
  const Metrics* metrics = nullptr;
  const SnapshotSlot* snapshots = nullptr;
  std::function<std::string()> reload;
};

Response respond(const Request& request, const WebOptions& options, const WebSources& sources);

/// The JSON of `check --output=json` for the daemon's state, plus the fields that only a daemon has.
std::string status_json(const Snapshot& snapshot);
std::string events_json(const Snapshot& snapshot);

}  // namespace nswarden
