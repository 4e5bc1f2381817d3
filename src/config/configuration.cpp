// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/configuration.hpp>

#include <utility>

#include <nswarden/base/sha256.hpp>
#include <nswarden/config/config.hpp>
#include "config/config_files.hpp"

namespace nswarden {
namespace {

using LoadedOrRefused = std::variant<LoadedConfig, RefusedConfig>;

LoadedConfig built_in() {
  auto parsed = parse_config(builtin_config());
  Sha256 hash;
  hash.add(builtin_config());
  return LoadedConfig{std::get<Config>(std::move(parsed)), "built-in policy", true, hash.hex()};
}

LoadedOrRefused load_files(const std::string& path) {
  ConfigFiles files;
  auto loaded = load_config(files, path);
  // The file itself is watched from before it is read.
  std::vector<PathWatcher::Path> named;
  for (const PathWatcher::Path& asked : files.asked()) {
    if (asked.path != path) named.push_back(asked);
  }
  if (auto* config = std::get_if<Config>(&loaded)) {
    return LoadedConfig{std::move(*config), path, false, files.hash(), std::move(named)};
  }
  return RefusedConfig{std::get<std::vector<std::string>>(std::move(loaded)), std::move(named)};
}

}  // namespace

std::string configuration_path(const ConfigOptions& options) { return options.file.value_or(std::string(default_config_file)); }

LoadedOrRefused load_configuration(const ConfigOptions& options) {
  const std::string path = configuration_path(options);
  if (!options.file && ConfigFiles::is_absent(path)) return built_in();
  return load_files(path);
}

LoadedOrRefused reload_configuration(const ConfigOptions& options, const LoadedConfig& in_force) {
  if (in_force.built_in) return load_configuration(options);
  ConfigOptions named = options;
  named.file = in_force.source;
  return load_configuration(named);
}

std::vector<std::string> netns_directories(const ConfigOptions& options, const Config& config) {
  if (!options.netns_dirs.empty()) return options.netns_dirs;
  if (!config.netns_dirs.empty()) return config.netns_dirs;
  return {std::string(default_netns_dir)};
}

std::chrono::milliseconds reconcile_interval(const ConfigOptions& options, const Config& config) {
  if (options.reconcile_interval) return *options.reconcile_interval;
  return config.reconcile_interval.value_or(default_reconcile_interval);
}

DampingRules damping(const ConfigOptions& options, const Config& config) {
  DampingRules rules;
  rules.repairs = options.repair_budget.value_or(config.repair_budget.value_or(rules.repairs));
  rules.within = options.repair_window.value_or(config.repair_window.value_or(rules.within));
  return rules;
}

std::chrono::milliseconds command_timeout(const ConfigOptions& options, const Config& config) {
  if (options.command_timeout) return *options.command_timeout;
  return config.command_timeout.value_or(default_command_timeout);
}

}  // namespace nswarden
