// SPDX-License-Identifier: Apache-2.0
// A plan and the needs of its binding, shared by all netns that match the same policies. The resolved plan is shared by those
// netns where its globs match the same keys. Loop thread only.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include <nswarden/policy/policy.hpp>

namespace nswarden {

class SharedPlan;

/// The settings of one netns, key by key. `key_requests` points into `resolution` or to constants.
struct ResolvedPlan {
  std::shared_ptr<const SharedPlan> shared;
  Resolution resolution;
  std::vector<KeyRequest> key_requests;  ///< of the settings, in their order; of keys only observed; or of a sign of life
  std::vector<std::size_t> observed;     ///< as resolution.observed: index into `key_requests`
};

class SharedPlan : public std::enable_shared_from_this<SharedPlan> {
 public:
  SharedPlan(std::shared_ptr<const PolicySet> policies, std::span<const PolicyIndex> matched);

  [[nodiscard]] const std::shared_ptr<const PolicySet>& policies() const { return policies_; }
  [[nodiscard]] const std::vector<PolicyIndex>& matched() const { return plan_.policies; }
  [[nodiscard]] std::span<const KeyPattern* const> globs() const { return plan_.globs; }
  /// Fds that a netns holds for the plan in Tier::directories: of families (ipv4, netfilter, ...), and of directories that
  /// globs search.
  [[nodiscard]] std::size_t directories() const { return directories_; }
  /// Of these, the fds of directories that globs search: held in Tier::held too.
  [[nodiscard]] std::size_t glob_directories() const { return glob_directories_; }

  /// `found`: the keys that its globs match in some netns, sorted.
  [[nodiscard]] std::shared_ptr<const ResolvedPlan> resolve(std::vector<Key> found) const;

 private:
  std::shared_ptr<const PolicySet> policies_;
  Plan plan_;
  std::size_t directories_ = 0;
  std::size_t glob_directories_ = 0;
  bool needs_liveness_key_ = false;
  mutable std::map<std::vector<Key>, std::weak_ptr<const ResolvedPlan>> resolved_;
  mutable std::size_t forget_at_ = 64;  // entries; most of them may be unused
};

}  // namespace nswarden
