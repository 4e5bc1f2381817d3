// SPDX-License-Identifier: Apache-2.0
// WebServer puts CivetWeb's threads in front of `respond`. The daemon makes and ends it in the loop's thread; HTTP threads see
// snapshots and counters only, and the one thing that they can cause is a reload, through a callback.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "web/routes.hpp"

namespace nswarden {

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
