// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/configuration.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <nswarden/base/sha256.hpp>
#include <nswarden/base/text.hpp>
#include <nswarden/config/config.hpp>
#include <nswarden/config/yaml_tree.hpp>
#include <nswarden/os/file.hpp>
#include "config/config_loader.hpp"

namespace nswarden {
namespace {

using LoadedOrRejected = std::variant<LoadedConfig, RejectedConfig>;

template <class T>
std::variant<T, Problem> read_or_problem(std::variant<T, Distrusted, Error> read) {
  if (auto* found = std::get_if<T>(&read)) return std::move(*found);
  if (const auto* distrusted = std::get_if<Distrusted>(&read))
    return Problem{{}, "not trusted: " + printable(distrusted->reason)};
  return Problem{{}, error_text(std::get<Error>(read).code)};
}

template <class T>
bool failed_with(const std::variant<T, Distrusted, Error>& read, int code) {
  const auto* error = std::get_if<Error>(&read);
  return error != nullptr && error->code == code;
}

/// Reads the files and folders of one configuration from disk, for one load. All file reads of this room are here.
class ConfigFiles final : public FileReader {
 public:
  std::variant<std::string, Problem> read(const std::string& path) override {
    note(path);
    auto text = read_trusted_file(path, max_config_size);
    if (failed_with(text, EFBIG)) return Problem{{}, "larger than 1 MiB"};
    if (const auto* bytes = std::get_if<std::string>(&text)) hash_.add(*bytes);
    return read_or_problem(std::move(text));
  }

  std::variant<Names, Problem> list(const std::string& path) override {
    note(path);
    auto names = list_trusted_folder(path);
    if (failed_with(names, ENOTDIR)) return Names{};
    auto read = read_or_problem(std::move(names));
    if (auto* problem = std::get_if<Problem>(&read)) return std::move(*problem);
    return std::get<std::vector<std::string>>(std::move(read));
  }

  /// All requested paths, existing or absent, in order, each once, with their state right before the read.
  [[nodiscard]] const std::vector<PathWatcher::Path>& requested() const { return requested_; }
  /// SHA-256 in hex of all file contents.
  [[nodiscard]] std::string hash() const { return hash_.hex(); }

 private:
  void note(const std::string& path) {
    const bool known = std::any_of(requested_.begin(), requested_.end(), [&path](const auto& one) { return one.path == path; });
    if (!known) requested_.push_back({path, fingerprint(path)});
  }

  std::vector<PathWatcher::Path> requested_;
  Sha256 hash_;
};

/// Whether the path does not exist. An unreadable file exists.
bool is_absent(const std::string& path) {
  const auto text = read_file(path, max_config_size);
  return !text && text.error().code == ENOENT;
}

LoadedConfig built_in() {
  auto parsed = parse_config(builtin_config());
  Sha256 hash;
  hash.add(builtin_config());
  return LoadedConfig{std::get<Config>(std::move(parsed)), "built-in policy", true, hash.hex()};
}

LoadedOrRejected load_files(const std::string& path) {
  ConfigFiles files;
  auto loaded = load_config(files, path);
  // The main file is watched before it is read.
  std::vector<PathWatcher::Path> named;
  for (const PathWatcher::Path& requested : files.requested()) {
    if (requested.path != path) named.push_back(requested);
  }
  if (auto* config = std::get_if<Config>(&loaded)) {
    return LoadedConfig{std::move(*config), path, false, files.hash(), std::move(named)};
  }
  return RejectedConfig{std::get<std::vector<std::string>>(std::move(loaded)), std::move(named)};
}

}  // namespace

std::string configuration_path(const ConfigOptions& options) { return options.file.value_or(std::string(default_config_file)); }

LoadedOrRejected load_configuration(const ConfigOptions& options) {
  const std::string path = configuration_path(options);
  if (!options.file && is_absent(path)) return built_in();
  return load_files(path);
}

LoadedOrRejected reload_configuration(const ConfigOptions& options, const LoadedConfig& in_force) {
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
  return options.reconcile_interval.value_or(config.reconcile_interval.value_or(default_reconcile_interval));
}

DampingRules damping(const ConfigOptions& options, const Config& config) {
  DampingRules rules;
  rules.repairs = options.repair_budget.value_or(config.repair_budget.value_or(rules.repairs));
  rules.within = options.repair_window.value_or(config.repair_window.value_or(rules.within));
  return rules;
}

std::chrono::milliseconds command_timeout(const ConfigOptions& options, const Config& config) {
  return options.command_timeout.value_or(config.command_timeout.value_or(default_command_timeout));
}

}  // namespace nswarden
