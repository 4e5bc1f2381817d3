// SPDX-License-Identifier: Apache-2.0
// Which configuration counts: the named file, the default file, or the built-in policy; and which values: those of flags, of the
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

/// Flags: where the configuration is, and what counts more than its own fields.
struct ConfigOptions {
  std::optional<std::string> file;      ///< none: the default path, or the built-in policy when that is absent
  std::vector<std::string> netns_dirs;  ///< absolute; none: the configuration's, or the default
  std::optional<std::chrono::milliseconds> reconcile_interval;
  std::optional<std::chrono::milliseconds> command_timeout;
  std::optional<std::uint32_t> repair_budget;
  std::optional<std::chrono::milliseconds> repair_window;
};

/// What counts, and where it is from.
struct LoadedConfig {
  Config config;
  std::string source;  ///< the file, or "built-in policy"
  bool built_in = false;
  std::string hash{};                      ///< SHA-256 in hex of all files, in the order in which they were read
  std::vector<PathWatcher::Path> named{};  ///< files and folders that were read besides the file itself
};

/// Why there is none: lines ready to print, at least one. Each problem of a file is one line, FILE:LINE:COL: message.
struct RefusedConfig {
  std::vector<std::string> lines;
  std::vector<PathWatcher::Path> named{};  ///< likewise, as far as that went
};

/// config/nswarden.yaml as it was at build time: the built-in policy.
std::string_view builtin_config();

/// At start and for the one-shot commands: the absence of the default file selects the built-in policy.
std::variant<LoadedConfig, RefusedConfig> load_configuration(const ConfigOptions& options);

/// For a reload: where a file was in force, its absence is a failure like any other, so that the last good policy stays.
std::variant<LoadedConfig, RefusedConfig> reload_configuration(const ConfigOptions& options, const LoadedConfig& in_force);

/// The file that counts, whether it is there or not.
std::string configuration_path(const ConfigOptions& options);

/// Flag, else file, else default.
std::vector<std::string> netns_directories(const ConfigOptions& options, const Config& config);
std::chrono::milliseconds reconcile_interval(const ConfigOptions& options, const Config& config);
std::chrono::milliseconds command_timeout(const ConfigOptions& options, const Config& config);
DampingRules damping(const ConfigOptions& options, const Config& config);

}  // namespace nswarden
