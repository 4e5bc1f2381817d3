// SPDX-License-Identifier: Apache-2.0
// Maps the names of a netns to its settings. A PolicySet is one compiled configuration, immutable. A Plan is the result of one
// set of matching policies, shared by all netns that match the same set. A Resolution is a Plan with its globs resolved to the
// keys of one netns. Pure, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nswarden/policy/key.hpp>
#include <nswarden/policy/netns_name.hpp>
#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// Index into PolicySet::policies(), in file order.
using PolicyIndex = std::uint32_t;
/// Index into PolicySet::keys().
using KeyIndex = std::uint32_t;

struct PlannedSetting {
  Key key;
  KeyIndex written = 0;    ///< as written by the owner
  PolicyIndex policy = 0;  ///< the owner
  Mode mode = Mode::enforce;
  const Setting* setting = nullptr;  ///< from the PolicySet
};

/// A setting that another one overrides. It is a conflict only when another policy overrides it with a different value or mode.
struct Overridden {
  Key key;
  PolicyIndex loser = 0;
  PolicyIndex winner = 0;
  Mode mode = Mode::enforce;
  const Setting* setting = nullptr;
  bool conflict = false;
};

struct Plan {
  std::vector<PolicyIndex> policies;     ///< all matching policies, ascending
  std::vector<const KeyPattern*> globs;  ///< globs that resolve() needs the keys of
};

struct Resolution {
  std::vector<PlannedSetting> settings;  ///< in write order (key.hpp), then file order; each key once
  std::vector<Overridden> overridden;
  std::vector<Key> observed;  ///< sorted; may overlap with the settings
};

class PolicySet {
 public:
  /// With Audit::everything, no policy enforces.
  enum class Audit { as_configured, everything };
  PolicySet(Config config, Audit audit);
  PolicySet(const PolicySet&) = delete;
  PolicySet& operator=(const PolicySet&) = delete;

  struct Policy {
    std::string name;
    Mode mode = Mode::enforce;
    bool restore = false;
    std::vector<KeyIndex> keys;                      ///< keys that it names, in file order
    std::shared_ptr<const PolicyCommands> commands;  ///< never null
  };
  [[nodiscard]] std::span<const Policy> policies() const { return policies_; }
  /// All keys with a desired value in any policy, each once, as written.
  [[nodiscard]] std::span<const KeyPattern> keys() const { return keys_; }
  /// Files that positions refer to.
  [[nodiscard]] const std::vector<std::string>& files() const { return files_; }
  [[nodiscard]] bool observes() const;
  /// Whether any key appears and vanishes with an interface.
  [[nodiscard]] bool names_interfaces() const;
  /// Whether a policy that names the key (as written) accepts its absence.
  [[nodiscard]] bool optional(PolicyIndex policy, KeyIndex key) const;
  /// Whether any policy matches netns by this kind of name.
  [[nodiscard]] bool wants(NameKind kind) const;

  /// Policies that match a netns with these names, ascending.
  [[nodiscard]] std::vector<PolicyIndex> match(std::span<const NetnsName> names) const;
  /// All events with commands in any policy, as an inotify(7) mask.
  [[nodiscard]] std::uint32_t event_bits() const;
  [[nodiscard]] Plan plan(std::span<const PolicyIndex> matched) const;
  /// `found`: the keys of the netns that match any of plan.globs. An exact key beats a glob, in any policy; otherwise the later
  /// one in the file wins.
  [[nodiscard]] Resolution resolve(const Plan& plan, std::span<const Key> found) const;

 private:
  [[nodiscard]] static bool matches(const PolicyConfig& policy, std::span<const NetnsName> names);

  std::vector<std::string> files_;
  std::vector<PolicyConfig> sources_;
  std::vector<Policy> policies_;
  std::vector<KeyPattern> keys_;
};

/// The kinds of names to discover: entries, which are always shown, and other kinds that any policy uses.
std::vector<NameKind> kinds_of_names(const PolicySet& policies);

}  // namespace nswarden
