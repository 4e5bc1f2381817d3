// SPDX-License-Identifier: Apache-2.0
// Which settings a netns of given names must have. A PolicySet is one compiled configuration, immutable; a Plan is what
// one set of matching policies comes to, shared by all netns that match the same; a Resolution is a Plan with its globs
// resolved to the keys that one netns has. Pure, any thread.
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
  KeyIndex written = 0;    ///< as its owner wrote it
  PolicyIndex policy = 0;  ///< the owner
  Mode mode = Mode::enforce;
  const Setting* setting = nullptr;  ///< of the PolicySet
};

/// A setting that lost to another one. A conflict only where it is another policy's and value or mode differ.
struct Overridden {
  Key key;
  PolicyIndex loser = 0;
  PolicyIndex winner = 0;
  Mode mode = Mode::enforce;
  const Setting* setting = nullptr;
  bool conflict = false;
};

struct Plan {
  std::vector<PolicyIndex> policies;     ///< all that match, ascending
  std::vector<const KeyPattern*> globs;  ///< what resolve() has to be told of
};

struct Resolution {
  std::vector<PlannedSetting> settings;  ///< in write order (key.hpp), then file order; each key once
  std::vector<Overridden> overridden;
  std::vector<Key> observed;  ///< sorted; may be among the settings too
};

class PolicySet {
 public:
  /// With `audit`, no policy enforces.
  enum class Audit { as_configured, everything };
  PolicySet(Config config, Audit audit);
  PolicySet(const PolicySet&) = delete;
  PolicySet& operator=(const PolicySet&) = delete;

  struct Policy {
    std::string name;
    Mode mode = Mode::enforce;
    bool restore = false;
    std::vector<KeyIndex> keys;                      ///< that it names, file order
    std::shared_ptr<const PolicyCommands> commands;  ///< never null
  };
  [[nodiscard]] std::span<const Policy> policies() const { return policies_; }
  /// All that some policy wants a value for, each once, as written.
  [[nodiscard]] std::span<const KeyPattern> keys() const { return keys_; }
  /// Files that positions refer to.
  [[nodiscard]] const std::vector<std::string>& files() const { return files_; }
  [[nodiscard]] bool observes() const;
  /// Whether some key of it comes and goes with an interface.
  [[nodiscard]] bool names_interfaces() const;
  /// Whether a policy that names the key (as written) takes its absence.
  [[nodiscard]] bool optional(PolicyIndex policy, KeyIndex key) const;
  /// Whether some policy is for netns of this kind of name.
  [[nodiscard]] bool wants(NameKind kind) const;

  /// Policies that match a netns with these names, ascending.
  [[nodiscard]] std::vector<PolicyIndex> match(std::span<const NetnsName> names) const;
  /// All events that some policy has commands for, as a mask of inotify(7).
  [[nodiscard]] std::uint32_t event_bits() const;
  [[nodiscard]] Plan plan(std::span<const PolicyIndex> matched) const;
  /// `found`: the keys of the netns that any of plan.globs matches. An exact key beats a glob, whichever policies these are in;
  /// else the later one in the file wins.
  [[nodiscard]] Resolution resolve(const Plan& plan, std::span<const Key> found) const;

 private:
  [[nodiscard]] static bool matches(const PolicyConfig& policy, std::span<const NetnsName> names);

  std::vector<std::string> files_;
  std::vector<PolicyConfig> sources_;
  std::vector<Policy> policies_;
  std::vector<KeyPattern> keys_;
};

/// The kinds of names to look for: entries, which are shown whether a policy matches or not, and others that some policy is for.
std::vector<NameKind> kinds_of_names(const PolicySet& policies);

}  // namespace nswarden
