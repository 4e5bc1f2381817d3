// SPDX-License-Identifier: Apache-2.0
// The configuration in force, its compiled policies, and the result of the last attempt to replace it. The loop decides when to
// load, and distributes the policies. Loop thread only.
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
  /// All parameters but the configuration outlive the object.
  PoliciesInForce(const DaemonOptions& options, LoadedConfig configuration, Metrics& metrics, Log& log);

  [[nodiscard]] const LoadedConfig& configuration() const { return configuration_; }
  [[nodiscard]] const std::shared_ptr<const PolicySet>& policies() const { return policies_; }
  /// State for snapshots.
  [[nodiscard]] const ConfigSnapshot& snapshot() const { return snapshot_; }

  /// The interval between sweeps.
  [[nodiscard]] std::chrono::milliseconds sweep_interval() const;

  /// Recompiles the same configuration.
  void compile();

  /// Logs and counts a rejected configuration. Returns the reason, one line per problem.
  std::string reject(const RejectedConfig& rejected);
  /// Activates the configuration. Returns one line with the policies and settings that it removes; empty when it keeps all.
  std::string replace(LoadedConfig configuration);

  /// Logs the configuration in force.
  void log(std::string_view message) const;

 private:
  void update_snapshot();

  const DaemonOptions& options_;
  Metrics& metrics_;
  Log& log_;
  LoadedConfig configuration_;
  std::shared_ptr<const PolicySet> policies_;
  ConfigSnapshot snapshot_;
};

}  // namespace nswarden
