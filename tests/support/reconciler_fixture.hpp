// SPDX-License-Identifier: Apache-2.0
// A reconciler over the fake kernel with a policy made from a few words.
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
  core::Mode mode = core::Mode::enforce;
  std::function<void(core::PolicyConfig&)> more{};  ///< makes it what the words above cannot say
};

inline std::shared_ptr<const core::PolicySet> policies(const std::vector<PolicySketch>& sketches) {
  core::Config config;
  int line = 1;
  for (const PolicySketch& sketch : sketches) {
    core::PolicyConfig made = policy(sketch.name, sketch.netns, {}, sketch.mode);
    made.where = {line++, 1};
    for (const auto& [key, want] : sketch.sysctls) made.sysctls.push_back(setting(key, want, {line++, 1}));
    if (sketch.more) sketch.more(made);
    config.policies.push_back(std::move(made));
  }
  return std::make_shared<core::PolicySet>(config, core::PolicySet::Audit::as_configured);
}

inline const std::string liberal = "net.netfilter.nf_conntrack_tcp_be_liberal";
inline const std::string loose = "net.netfilter.nf_conntrack_tcp_loose";
inline const std::string liberal_path = "netfilter/nf_conntrack_tcp_be_liberal";
inline const std::string loose_path = "netfilter/nf_conntrack_tcp_loose";

inline std::shared_ptr<const core::PolicySet> router_policy(core::Mode mode = core::Mode::enforce) {
  return policies({{"routers", "^qrouter-", {{liberal, "1"}, {loose, "1"}}, mode}});
}
inline std::map<std::string, std::string> router_defaults() { return {{liberal_path, "0"}, {loose_path, "1"}}; }
inline std::map<std::string, std::string> router_right() { return {{liberal_path, "1"}, {loose_path, "1"}}; }

struct World {
  FakeKernel kernel;
  core::Reconciler reconciler;
  core::Time now{std::chrono::hours(1)};

  explicit World(std::shared_ptr<const core::PolicySet> set, std::size_t fd_budget = 1000)
      : reconciler(kernel, std::move(set),
                   {{{core::NameKind::entry, "/run/netns"},
                     {core::NameKind::entry, "/run/other"},
                     {core::NameKind::host},
                     {core::NameKind::process}},
                    fd_budget,
                    true}) {}

  void settle() {
    while (reconciler.work()) reconciler.step(64, now);
  }
  std::vector<core::Report> sweep(core::NetnsCatalog::Detail detail = core::NetnsCatalog::Detail::names) {
    reconciler.begin_sweep();
    reconciler.list(detail, now);
    settle();
    return reconciler.take_reports();
  }
  std::vector<core::Report> touch(const std::string& name) {
    reconciler.touch(0, name, now);
    settle();
    return reconciler.take_reports();
  }
  /// Time goes by, and what is due is done.
  std::vector<core::Report> pass(std::chrono::milliseconds time) {
    now += time;
    reconciler.retry(now);
    settle();
    return reconciler.take_reports();
  }
  /// An event told of a write to this setting.
  std::vector<core::Report> see_write(const FakeKernel::NetnsPtr& netns, std::size_t setting) {
    reconciler.saw_write(netns->inode, setting, now);
    settle();
    return reconciler.take_reports();
  }
  [[nodiscard]] core::Totals totals() const { return reconciler.overview(now).totals; }
  [[nodiscard]] std::vector<core::Finding> findings() const {
    return reconciler.findings(core::Reconciler::Which::not_compliant, 1000);
  }
};

}  // namespace nswarden::test
