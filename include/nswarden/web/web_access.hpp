// SPDX-License-Identifier: Apache-2.0
// Access to the HTTP side: the file of --web.config.file and the files that it names. They are checked at each connection and request,
// and read again when one of them has changed. A version with a mistake changes nothing: the last good one stays, the log has the
// reason, and it is counted. Any thread.
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
  /// One good state of all files, immutable but for what `auth` remembers.
  struct Version {
    std::vector<WebHeader> headers;
    bool needs_certificate = false;  ///< one that a client CA signed
    std::vector<WebUser> users;
    std::shared_ptr<BasicAuth> auth;  ///< of `users`; null: everyone may read
    TlsContext tls;                   ///< null: plain HTTP
  };

  /// Throws std::runtime_error with one line for each problem. `log` and `metrics` outlive it.
  WebAccess(std::string path, Log& log, Metrics& metrics);

  /// The newest good version. Throws std::bad_alloc.
  std::shared_ptr<const Version> newest();
  /// From now on no password is checked any more: the server ends and waits for those who ask.
  void close();

 private:
  using Prints = std::vector<std::pair<std::string, std::uint64_t>>;  // of each file, right before it was read
  struct Reading {                                                    // of all files
    std::shared_ptr<const Version> version;                           // null: `problem`
    std::string problem;
    Prints prints;
  };
  [[nodiscard]] Reading load() const;
  void load_texts(const WebConfig& config, Reading& reading, Version& version) const;
  [[nodiscard]] std::string takes_a_restart(const Version& next) const;
  void take(Reading reading);

  std::string path_;
  Log& log_;
  Metrics& metrics_;
  std::mutex mutex_;  // of all below
  std::shared_ptr<const Version> version_;
  Prints prints_;  // of what was read last, good or not
};

}  // namespace nswarden
