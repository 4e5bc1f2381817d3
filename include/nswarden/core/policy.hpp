// SPDX-License-Identifier: Apache-2.0
// Which settings a netns of given names must have. A PolicySet is one compiled configuration, immutable; a Plan is what
// one set of matching policies comes to, shared by all netns that match the same. Pure, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/core/config.hpp>

namespace nswarden::core {

/// Index into PolicySet::policies(), in file order.
using PolicyIndex = std::uint32_t;
/// Index into PolicySet::keys().
using KeyIndex = std::uint32_t;

/// Why a pattern is refused, ready to print and naming the remedy for what RE2 lacks; none when it compiles.
std::optional<std::string> pattern_problem(std::string_view pattern);

struct PlannedSetting {
  KeyIndex key = 0;
  PolicyIndex policy = 0;  ///< the owner: the last policy in the file that names the key
  Mode mode = Mode::enforce;
  std::string want;
  Position where;
};

/// A setting that lost to a later policy. A conflict only where value or mode differ.
struct Overridden {
  KeyIndex key = 0;
  PolicyIndex loser = 0;
  PolicyIndex winner = 0;
  std::string want;
  Mode mode = Mode::enforce;
  Position where;
  bool conflict = false;
};

struct Plan {
  std::vector<PolicyIndex> policies;     ///< all that match, ascending
  std::vector<PlannedSetting> settings;  ///< in write order (key.hpp), then file order; each key once
  std::vector<Overridden> overridden;
};

class PolicySet {
 public:
  /// `config` comes from parse_config, so its patterns compile. With `audit`, no policy enforces.
  enum class Audit { as_configured, everything };
  PolicySet(const Config& config, Audit audit);
  ~PolicySet();
  PolicySet(const PolicySet&) = delete;
  PolicySet& operator=(const PolicySet&) = delete;

  struct Policy {
    std::string name;
    Mode mode = Mode::enforce;
    std::vector<KeyIndex> keys;                      ///< that it names, file order
    std::shared_ptr<const PolicyCommands> commands;  ///< never null
  };
  [[nodiscard]] std::span<const Policy> policies() const { return policies_; }
  [[nodiscard]] std::span<const Key> keys() const { return keys_; }

  /// Policies that match any of the names (the bytes in the directory, without its path), ascending.
  [[nodiscard]] std::vector<PolicyIndex> match(std::span<const std::string_view> names) const;
  /// All events that some policy has commands for, as a mask of inotify(7).
  [[nodiscard]] std::uint32_t event_bits() const;
  [[nodiscard]] Plan plan(std::span<const PolicyIndex> matched) const;

 private:
  struct Patterns;
  std::vector<Policy> policies_;
  std::vector<Key> keys_;
  std::vector<PolicyConfig> sources_;
  std::unique_ptr<Patterns> patterns_;
};

}  // namespace nswarden::core
