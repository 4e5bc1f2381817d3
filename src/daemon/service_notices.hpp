// SPDX-License-Identifier: Apache-2.0
// What the service manager is told by sd_notify(3): ready, reloading, stopping, a line of status, and that the loop gets on. A notice
// that it has no room for is sent again soon; only the newest counts. Where no manager listens, nothing is done. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nswarden/report/log.hpp>
#include <nswarden/base/damping.hpp>
#include <nswarden/os/notify_socket.hpp>

namespace nswarden::app {

class ServiceNotices {
 public:
  /// `log` outlives it.
  ServiceNotices(const os::ServiceEnvironment& service, Log& log);

  void ready(std::string status, core::Time now);
  /// Ends with ready(). Does nothing before the first ready().
  void reloading(core::Time now);
  void stopping(core::Time now);
  /// The loop gets on. Told once in a quarter of the watchdog's time.
  void alive(core::Time now);

  /// When alive() is wanted, or something waits to be sent.
  [[nodiscard]] std::optional<core::Time> due() const;
  void send_again(core::Time now);

 private:
  enum class Phase : std::uint8_t { starting, ready, reloading, stopping };
  void tell(core::Time now);
  [[nodiscard]] bool send(std::string_view lines, core::Time now);

  os::NotifySocket socket_;
  std::chrono::nanoseconds watchdog_;  // zero: none
  Log& log_;
  Phase phase_ = Phase::starting;
  Phase told_phase_ = Phase::starting;
  std::string status_;
  std::string told_status_;
  core::Time reload_began_;
  core::Time alive_told_;
  std::optional<core::Time> again_;  // what could not be sent
};

}  // namespace nswarden::app
