// SPDX-License-Identifier: Apache-2.0
// What the service manager is told by sd_notify(3): ready, reloading, stopping, a line of status, and that the loop gets on. A notice
// that it has no room for is sent again soon; only the newest counts. Where no manager listens, nothing is done. Loop thread only.
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
  /// `log` outlives it.
  ServiceNotices(const ServiceEnvironment& service, Log& log);

  void ready(std::string status, Time now);
  /// Ends with ready(). Does nothing before the first ready().
  void reloading(Time now);
  void stopping(Time now);
  /// The loop gets on. Told once in a quarter of the watchdog's time.
  void alive(Time now);

  /// When alive() is wanted, or something waits to be sent.
  [[nodiscard]] std::optional<Time> due() const;
  void send_again(Time now);

 private:
  enum class Phase : std::uint8_t { starting, ready, reloading, stopping };
  void notify(Time now);
  [[nodiscard]] bool send(std::string_view lines, Time now);

  NotifySocket socket_;
  std::chrono::nanoseconds watchdog_;  // zero: none
  Log& log_;
  Phase phase_ = Phase::starting;
  Phase told_phase_ = Phase::starting;
  std::string status_;
  std::string told_status_;
  Time reload_began_;
  Time alive_told_;
  std::optional<Time> again_;  // what could not be sent
};

}  // namespace nswarden
