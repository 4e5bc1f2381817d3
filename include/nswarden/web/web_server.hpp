// SPDX-License-Identifier: Apache-2.0
// The HTTP side: `respond` is the whole routing as one pure function, WebServer puts CivetWeb's threads in front of it.
// HTTP threads see snapshots and counters only; the one thing they can cause is a reload, through a callback.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
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

/// What the routes answer from. `reload` waits for the loop's verdict: empty when the configuration was taken, else why not.
struct WebSources {
  const Metrics* metrics = nullptr;
  const SnapshotSlot* snapshots = nullptr;
  std::function<std::string()> reload;
};

Response respond(const Request& request, const WebOptions& options, const WebSources& sources);

class WebAccess;

class WebServer {
 public:
  /// Listens on all addresses or throws std::runtime_error with one line that names the address and what to do. `access` may be null: everyone
  /// may read, in plain text. Else it outlives the server, and decides at each connection and request.
  WebServer(const WebOptions& options, WebSources sources, WebAccess* access = nullptr);
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  /// `host:port` as really bound, in the order of the options (port 0 picks one).
  [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }
  [[nodiscard]] std::string_view scheme() const;  ///< http or https

 private:
  struct Impl;
  std::vector<std::string> addresses_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nswarden
