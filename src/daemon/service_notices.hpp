// SPDX-License-Identifier: Apache-2.0
// Notices to the service manager by sd_notify(3): ready, reloading, stopping, a status line, and the watchdog. Retries soon
// when the socket is full; only the newest notice counts. Without a manager all functions do nothing. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nswarden/base/damping.hpp>
#include <nswarden/os/notify_socket.hpp>
#include <nswarden/report/log.hpp>

namespace nswarden {

class ServiceNotices {
 public:
  /// `log` outlives the object.
  ServiceNotices(const ServiceEnvironment& service, Log& log);

  void ready(std::string status, Time now);
  /// ready() ends it. Does nothing before the first ready().
  void reloading(Time now);
  void stopping(Time now);
  /// Reports progress of the loop, once per quarter of the watchdog interval.
  void alive(Time now);

  /// When alive() is due or a notice must be resent.
  [[nodiscard]] std::optional<Time> due() const;
  void send_again(Time now);

 private:
  enum class Phase : std::uint8_t { starting, ready, reloading, stopping };
  void notify(Time now);
  [[nodiscard]] bool send(std::string_view lines, Time now);

  NotifySocket socket_;
  std::chrono::nanoseconds watchdog_;  // zero: disabled
  Log& log_;
  Phase phase_ = Phase::starting;
  Phase sent_phase_ = Phase::starting;
  std::string status_;
  std::string sent_status_;
  Time reload_began_;
  Time alive_sent_;
  std::optional<Time> again_;  // time of the next retry
};

}  // namespace nswarden
