// SPDX-License-Identifier: Apache-2.0
#include "daemon/policies_in_force.hpp"

#include <algorithm>
#include <utility>

#include <nswarden/config/config_text.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {
namespace {

constexpr std::chrono::milliseconds longest_observation_gap{10'000};

}  // namespace

PoliciesInForce::PoliciesInForce(const DaemonOptions& options, LoadedConfig configuration, Metrics& metrics, Log& log)
    : options_(options), metrics_(metrics), log_(log), configuration_(std::move(configuration)) {
  update_snapshot();
  compile();
}

/// Records a load without an error, now.
void PoliciesInForce::update_snapshot() {
  snapshot_ = {configuration_.source, configuration_.hash, unix_time(), {}, 0, options_.audit};
}

void PoliciesInForce::compile() {
  policies_ = std::make_shared<PolicySet>(configuration_.config,
                                          options_.audit ? PolicySet::Audit::everything : PolicySet::Audit::as_configured);
}

/// Exported values must be at most 15 s old, even with a longer sweep interval.
std::chrono::milliseconds PoliciesInForce::sweep_interval() const {
  const auto interval = reconcile_interval(options_.config, configuration_.config);
  return policies_->observes() ? std::min(interval, longest_observation_gap) : interval;
}

std::string PoliciesInForce::reject(const RejectedConfig& rejected) {
  snapshot_.error = rejected.lines.front();
  snapshot_.failed_seconds = unix_time();
  metrics_.reloaded(false);
  std::string verdict;
  for (const std::string& line : rejected.lines) {
    log_.error("configuration rejected, keeping the previous one", {{"problem", line}});
    verdict += line + '\n';
  }
  return verdict;
}

std::string PoliciesInForce::replace(LoadedConfig configuration) {
  std::string dropped = dropped_by(configuration_.config, configuration.config);
  configuration_ = std::move(configuration);
  update_snapshot();
  compile();
  return dropped;
}

void PoliciesInForce::log(std::string_view message) const {
  std::size_t settings = 0;
  bool conntrack = false;
  for (const auto& policy : configuration_.config.policies) {
    settings += policy.sysctls.size();
    for (const auto& setting : policy.sysctls) {
      conntrack = conntrack || setting.key.path().starts_with("netfilter/nf_conntrack");
    }
  }
  const std::string policies_text = std::to_string(configuration_.config.policies.size());
  const std::string settings_text = std::to_string(settings);
  log_.info(message, {{"source", configuration_.source}, {"policies", policies_text}, {"settings", settings_text}});
  if (configuration_.config.form == Config::Form::older) {
    log_.info("configuration of the older form: commands run, but no drift is checked",
              {{"remedy", "write the settings as native policies with sysctls"}});
  }
  // Kernel fact 38: an unloaded module looks like an absent key.
  if (conntrack && !read_file(in_procfs("sys/net/netfilter/nf_conntrack_max"), 4096).ok()) {
    log_.warn("nf_conntrack not loaded, its sysctls are missing until it is", {{"remedy", "modprobe nf_conntrack"}});
  }
}

}  // namespace nswarden
