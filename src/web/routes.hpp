// SPDX-License-Identifier: Apache-2.0
// The routes of the HTTP side: `respond` is all of the routing as one pure function, from a request and the newest snapshot to
// the bytes of the answer. It changes nothing but by a reload, through a callback. Any thread.
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
  std::string config_file;  ///< of TLS, users and headers; empty: none
  bool enable_lifecycle = false;
  std::chrono::milliseconds request_timeout{2000};  ///< also for a request to come, from the connection on
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
  std::string body;                                          ///< also for HEAD, whose body is not sent
  std::vector<std::pair<std::string, std::string>> headers;  ///< besides Content-Type and Content-Length
};

/// Plain text.
Response text_response(int status, std::string body);

/// What the routes answer from. `reload` waits for the loop's verdict: empty when the configuration was taken, else why not.
struct WebSources {
  const Metrics* metrics = nullptr;
  const SnapshotSlot* snapshots = nullptr;
  std::function<std::string()> reload;
};

Response respond(const Request& request, const WebOptions& options, const WebSources& sources);

/// The report that `check --output=json` makes, of the daemon's state, with what only a daemon knows.
std::string status_json(const Snapshot& snapshot);
std::string events_json(const Snapshot& snapshot);

}  // namespace nswarden
