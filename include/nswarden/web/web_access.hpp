// SPDX-License-Identifier: Apache-2.0
// WebAccess controls access to the HTTP side with the file of --web.config.file and the files that it names. It checks the
// files at each connection and request and rereads them when one has changed. It rejects a faulty version: the last good one
// stays, the reason is logged and the failure counted. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/report/log.hpp>
#include <nswarden/report/metrics.hpp>
#include "web/basic_auth.hpp"
#include "web/tls.hpp"
#include "web/web_config.hpp"

namespace nswarden {

class WebAccess {
 public:
  /// One good state of all files, immutable except for the cache of `auth`.
  struct Version {
    std::vector<WebHeader> headers;
    bool needs_certificate = false;  ///< signed by a client CA
    std::vector<WebUser> users;
    std::shared_ptr<BasicAuth> auth;  ///< for `users`; null for unrestricted access
    TlsContext tls;                   ///< null for plain HTTP
  };

  /// Throws std::runtime_error with one line per problem. `log` and `metrics` must outlive it.
  WebAccess(std::string path, Log& log, Metrics& metrics);

  /// The newest good version. Throws std::bad_alloc.
  std::shared_ptr<const Version> newest();
  /// Stops checking passwords: the server is shutting down and waits for pending requests.
  void close();

 private:
  using Fingerprints = std::vector<std::pair<std::string, std::uint64_t>>;  // fingerprint of each file, taken before reading it
  struct Reading {                                                          // result of reading all files
    std::shared_ptr<const Version> version;                                 // null on a `problem`
    std::string problem;
    Fingerprints fingerprints;
  };
  [[nodiscard]] Reading load() const;
  void load_texts(const WebConfig& config, Reading& reading, Version& version) const;
  [[nodiscard]] std::string needs_restart(const Version& next) const;
  void adopt(Reading reading);

  std::string path_;
  Log& log_;
  Metrics& metrics_;
  std::mutex mutex_;  // protects all fields below
  std::shared_ptr<const Version> version_;
  Fingerprints fingerprints_;  // of the last read, good or not
};

}  // namespace nswarden
