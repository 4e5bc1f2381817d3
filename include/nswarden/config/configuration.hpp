// SPDX-License-Identifier: Apache-2.0
// Which configuration counts: the named file, the default file, or the built-in policy. Reads files; no other state.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include <nswarden/base/damping.hpp>
#include <nswarden/cli/options.hpp>
#include <nswarden/config/config.hpp>
#include <nswarden/netns/linux_catalog.hpp>
#include <nswarden/os/path_watcher.hpp>
#include <nswarden/policy/netns_name.hpp>
#include <nswarden/policy/policy.hpp>

namespace nswarden {

struct Configuration {
  Config config;
  std::string source;  ///< the file, or "built-in policy"
  bool built_in = false;
  std::string hash{};                      ///< SHA-256 in hex of all files, in the order in which they were read
  std::vector<PathWatcher::Path> named{};  ///< files and folders that were read besides the file itself
};

/// Why there is none: lines ready to print, at least one. Each problem of a file is one line, FILE:LINE:COL: message.
struct NoConfiguration {
  std::vector<std::string> lines;
  std::vector<PathWatcher::Path> named{};  ///< likewise, as far as that went
};

/// At start and for the one-shot commands: the absence of the default file selects the built-in policy.
std::variant<Configuration, NoConfiguration> load_configuration(const Options& options);

/// For a reload: where a file was in force, its absence is a failure like any other, so that the last good policy stays.
std::variant<Configuration, NoConfiguration> reload_configuration(const Options& options, const Configuration& in_force);

/// The file that counts, whether it is there or not.
std::string configuration_path(const Options& options);

/// Flag, else file, else default.
std::vector<std::string> netns_directories(const Options& options, const Config& config);
/// Where names come from: these, and, where a policy asks for them, the host and processes.
std::vector<NetnsSource> netns_sources(const std::vector<std::string>& directories);
Links links_of_names(const Config& config);
/// Those that some policy is for.
std::vector<NameKind> kinds_of_names(const PolicySet& policies);
std::chrono::milliseconds reconcile_interval(const Options& options, const Config& config);
std::chrono::milliseconds command_timeout(const Options& options, const Config& config);
DampingRules damping(const Options& options, const Config& config);

}  // namespace nswarden
