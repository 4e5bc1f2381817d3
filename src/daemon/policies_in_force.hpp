// SPDX-License-Identifier: Apache-2.0
// The configuration in force and the policies that it comes to, with the outcome of the last attempt to replace it. Decides nothing
// about when: the loop loads, and hands the policies on. Loop thread only.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <nswarden/config/configuration.hpp>
#include <nswarden/daemon/daemon_options.hpp>
#include <nswarden/policy/policy.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/report/metrics.hpp>
#include <nswarden/report/snapshot.hpp>

namespace nswarden {

class PoliciesInForce {
 public:
  /// All but the configuration outlive it.
  PoliciesInForce(const DaemonOptions& options, LoadedConfig configuration, Metrics& metrics, Log& log);

  [[nodiscard]] const LoadedConfig& configuration() const { return configuration_; }
  [[nodiscard]] const std::shared_ptr<const PolicySet>& policies() const { return policies_; }
  /// As it is shown.
  [[nodiscard]] const ConfigSnapshot& shown() const { return shown_; }

  /// From one sweep to the next.
  [[nodiscard]] std::chrono::milliseconds sweep_interval() const;

  /// Makes the policies anew of the same configuration.
  void compile();

  /// Logs and counts why another configuration is not taken. Returns that, a line for each problem.
  std::string refuse(const RefusedConfig& refused);
  /// Puts it in force. Returns the policies and settings that the previous one had and this one lacks, one line; empty when it has all.
  std::string replace(LoadedConfig configuration);

  /// Logs what is in force.
  void log(std::string_view message) const;

 private:
  void show();

  const DaemonOptions& options_;
  Metrics& metrics_;
  Log& log_;
  LoadedConfig configuration_;
  std::shared_ptr<const PolicySet> policies_;
  ConfigSnapshot shown_;
};

}  // namespace nswarden
