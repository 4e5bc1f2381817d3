// SPDX-License-Identifier: Apache-2.0
// A reconciler over the fake kernel, with a policy from a short description.
#pragma once

#include <nswarden/engine/reconciler.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_kernel.hpp"
#include "policy_words.hpp"

namespace nswarden::test {

struct PolicySketch {
  std::string name;
  std::string netns;
  std::vector<std::pair<std::string, std::string>> sysctls;
  Mode mode = Mode::enforce;
  std::function<void(PolicyConfig&)> more{};  ///< sets the remaining fields
};

inline std::shared_ptr<const PolicySet> policies(const std::vector<PolicySketch>& sketches) {
  Config config;
  int line = 1;
  for (const PolicySketch& sketch : sketches) {
    PolicyConfig made = policy(sketch.name, sketch.netns, {}, sketch.mode);
    made.position = {line++, 1};
    for (const auto& [key, want] : sketch.sysctls) made.sysctls.push_back(setting(key, want, {line++, 1}));
    if (sketch.more) sketch.more(made);
    config.policies.push_back(std::move(made));
  }
  return std::make_shared<PolicySet>(config, PolicySet::Audit::as_configured);
}

inline const std::string liberal = "net.netfilter.nf_conntrack_tcp_be_liberal";
inline const std::string loose = "net.netfilter.nf_conntrack_tcp_loose";
inline const std::string liberal_path = "netfilter/nf_conntrack_tcp_be_liberal";
inline const std::string loose_path = "netfilter/nf_conntrack_tcp_loose";

inline std::shared_ptr<const PolicySet> router_policy(Mode mode = Mode::enforce) {
  return policies({{"routers", "^qrouter-", {{liberal, "1"}, {loose, "1"}}, mode}});
}
inline std::map<std::string, std::string> router_defaults() { return {{liberal_path, "0"}, {loose_path, "1"}}; }
inline std::map<std::string, std::string> router_compliant() { return {{liberal_path, "1"}, {loose_path, "1"}}; }

struct World {
  FakeKernel kernel;
  Reconciler reconciler;
  Time now{std::chrono::hours(1)};

  explicit World(std::shared_ptr<const PolicySet> set, std::size_t fd_budget = 1000)
      : reconciler(kernel, std::move(set), {fd_budget, true}) {}

  void settle() {
    while (reconciler.work()) reconciler.step(64, now);
  }
  std::vector<Report> sweep(NetnsCatalog::Detail detail = NetnsCatalog::Detail::names) {
    reconciler.begin_sweep();
    reconciler.list(detail, now);
    settle();
    return reconciler.take_reports();
  }
  std::vector<Report> touch(const std::string& name) {
    reconciler.touch(0, name, now);
    settle();
    return reconciler.take_reports();
  }
  /// Advances the clock and runs due work.
  std::vector<Report> pass(std::chrono::milliseconds time) {
    now += time;
    reconciler.retry(now);
    settle();
    return reconciler.take_reports();
  }
  /// Reports a write event for this setting.
  std::vector<Report> report_write(const FakeKernel::NetnsPtr& netns, std::size_t setting) {
    reconciler.on_write(netns->inode, setting, now);
    settle();
    return reconciler.take_reports();
  }
  [[nodiscard]] Totals totals() const { return reconciler.overview(now).totals; }
  [[nodiscard]] std::vector<Finding> findings() const { return reconciler.findings(WhichSettings::not_compliant, 1000); }
};

}  // namespace nswarden::test
