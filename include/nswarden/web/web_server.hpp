// SPDX-License-Identifier: Apache-2.0
// WebServer runs CivetWeb's threads in front of `respond`. The loop's thread creates and destroys it. HTTP threads access
// only snapshots and counters; their only side effect is a reload, through a callback.
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
  /// Listens on all addresses, or throws std::runtime_error with one line that names the address and the remedy. `access` may
  /// be null for unrestricted plain HTTP. Otherwise it must outlive the server, and authorizes each connection and request.
  WebServer(const WebOptions& options, WebSources sources, WebAccess* access = nullptr);
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  /// Bound `host:port` in the order of the options (port 0 picks a free one).
  [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }
  [[nodiscard]] std::string_view scheme() const;  ///< http or https

 private:
  struct Impl;
  std::vector<std::string> addresses_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nswarden
