// SPDX-License-Identifier: Apache-2.0
#include "daemon/service_notices.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <nswarden/base/text.hpp>
#include <utility>

namespace nswarden {
namespace {

constexpr std::chrono::milliseconds busy_gap{100};
constexpr std::chrono::milliseconds broken_gap{5000};

}  // namespace

ServiceNotices::ServiceNotices(const ServiceEnvironment& service, Log& log)
    : socket_(service.notify_socket), watchdog_(service.watchdog.value_or(std::chrono::microseconds(0))), log_(log) {
  if (!socket_.has_listener()) watchdog_ = {};
}

void ServiceNotices::ready(std::string status, Time now) {
  phase_ = Phase::ready;
  status_ = std::move(status);
  notify(now);
}

void ServiceNotices::reloading(Time now) {
  if (phase_ == Phase::starting) return;
  phase_ = Phase::reloading;
  reload_began_ = now;
  notify(now);
}

void ServiceNotices::stopping(Time now) {
  phase_ = Phase::stopping;
  status_.clear();
  notify(now);
}

void ServiceNotices::alive(Time now) {
  if (watchdog_.count() == 0 || now - alive_sent_ < watchdog_ / 4 || (again_ && now < *again_)) return;
  if (send("WATCHDOG=1", now)) alive_sent_ = now;
}

std::optional<Time> ServiceNotices::due() const {
  if (again_) return again_;
  // Sweeps mostly end sooner, so this rarely causes an extra wake-up.
  return watchdog_.count() == 0 ? std::nullopt : std::optional(alive_sent_ + watchdog_ / 2);
}

void ServiceNotices::send_again(Time now) {
  if (again_ && now >= *again_) notify(now);
}

void ServiceNotices::notify(Time now) {
  again_.reset();
  if (!socket_.has_listener()) return;
  std::string lines;
  if (phase_ != sent_phase_) {
    // The manager waits for the end of this reload, not of an earlier one. It uses the same clock.
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(reload_began_.time_since_epoch()).count();
    if (phase_ == Phase::ready) lines = "READY=1\n";
    if (phase_ == Phase::reloading) lines = fmt::format("RELOADING=1\nMONOTONIC_USEC={}\n", since);
    if (phase_ == Phase::stopping) lines = "STOPPING=1\n";
  }
  if (status_ != sent_status_) lines += fmt::format("STATUS={}\n", status_);
  if (lines.empty() || !send(lines, now)) return;
  sent_phase_ = phase_;
  sent_status_ = status_;
}

bool ServiceNotices::send(std::string_view lines, Time now) {
  const Result<void> sent = socket_.send(lines);
  if (sent) return true;
  const bool busy = sent.error().code == EAGAIN;
  again_ = now + (busy ? busy_gap : broken_gap);
  if (!busy) {
    log_.limited("notify", LogLevel::warn, "cannot notify the service manager", {{"error", error_text(sent.error().code)}});
  }
  return false;
}

}  // namespace nswarden
