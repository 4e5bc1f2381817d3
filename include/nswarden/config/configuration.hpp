// SPDX-License-Identifier: Apache-2.0
// Selects the effective configuration: the named file, the default file, or the built-in policy. Selects values from flags, the
// configuration, or defaults. Any thread, one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/base/damping.hpp>
#include <nswarden/os/path_watcher.hpp>
#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

inline constexpr std::string_view default_config_file = "/etc/nswarden/nswarden.yaml";
inline constexpr std::string_view default_netns_dir = "/run/netns";
inline constexpr std::chrono::seconds default_reconcile_interval{10};
inline constexpr std::chrono::seconds default_command_timeout{30};

/// Flags: the location of the configuration, and values that override its fields.
struct ConfigOptions {
  std::optional<std::string> file;      ///< empty: the default path, or the built-in policy if that is absent
  std::vector<std::string> netns_dirs;  ///< absolute; empty: from the configuration, or the default
  std::optional<std::chrono::milliseconds> reconcile_interval;
  std::optional<std::chrono::milliseconds> command_timeout;
  std::optional<std::uint32_t> repair_budget;
  std::optional<std::chrono::milliseconds> repair_window;
};

/// A loaded configuration and its origin.
struct LoadedConfig {
  Config config;
  std::string source;  ///< the file, or "built-in policy"
  bool built_in = false;
  std::string hash{};                      ///< SHA-256 in hex of all files, in the order in which they were read
  std::vector<PathWatcher::Path> named{};  ///< files and folders that were read in addition to the main file
};

/// A rejected configuration: at least one line, ready to print. Each problem of a file is one line, FILE:LINE:COL: message.
struct RejectedConfig {
  std::vector<std::string> lines;
  std::vector<PathWatcher::Path> named{};  ///< likewise, as far as loading got
};

/// The built-in policy: config/nswarden.yaml at build time.
std::string_view builtin_config();

/// For startup and one-shot commands. If the default file is absent, uses the built-in policy.
std::variant<LoadedConfig, RejectedConfig> load_configuration(const ConfigOptions& options);

/// For a reload. If a file was in force, its absence is an ordinary failure, so the last good policy stays.
std::variant<LoadedConfig, RejectedConfig> reload_configuration(const ConfigOptions& options, const LoadedConfig& in_force);

/// The path of the selected file, existing or not.
std::string configuration_path(const ConfigOptions& options);

/// From the flag, else the file, else the default.
std::vector<std::string> netns_directories(const ConfigOptions& options, const Config& config);
std::chrono::milliseconds reconcile_interval(const ConfigOptions& options, const Config& config);
std::chrono::milliseconds command_timeout(const ConfigOptions& options, const Config& config);
DampingRules damping(const ConfigOptions& options, const Config& config);

}  // namespace nswarden
