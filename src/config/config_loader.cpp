// SPDX-License-Identifier: Apache-2.0
#include "config/config_loader.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config.hpp>
#include <nswarden/config/yaml_tree.hpp>
#include "config/config_policy.hpp"
#include "config/sysctl_conf.hpp"

namespace nswarden {
namespace {

using Lines = std::vector<std::string>;

/// Resolves `named`, as written in `file`.
std::string path_beside(const std::string& file, const std::string& named) {
  if (named.starts_with('/')) return named;
  return file.substr(0, file.rfind('/') + 1) + named;
}

std::string child_of(const std::string& folder, const std::string& name) {
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

constexpr std::array<std::string_view, 2> yaml_endings{".yaml", ".yml"};
constexpr std::array<std::string_view, 1> conf_endings{".conf"};

/// File texts, each read once, within the limits of one configuration.
class TextCache {
 public:
  explicit TextCache(FileReader& reader) : reader_(reader) {}

  struct Text {
    std::uint16_t file = 0;
    std::string text;
  };

  /// Returns the text of a file, or a problem.
  std::variant<const Text*, Problem> read(const std::string& path) {
    if (const auto known = texts_.find(path); known != texts_.end()) return &known->second;
    if (files_.size() == max_config_files)
      return Problem{{}, fmt::format("the configuration has more than {} files", max_config_files)};
    auto read = reader_.read(path);
    if (const auto* problem = std::get_if<Problem>(&read)) return unreadable(path, *problem);
    std::string& text = std::get<std::string>(read);
    // The parser reports a file that alone is too large.
    bytes_ += std::min(text.size(), max_config_size);
    if (bytes_ > max_config_bytes) return Problem{{}, "the configuration is larger than 8 MiB in total"};
    const auto index = static_cast<std::uint16_t>(files_.size());
    files_.push_back(path);
    return &texts_.emplace(path, Text{index, std::move(text)}).first->second;
  }

  /// Returns the file itself, or the files of a folder with one of the endings, in byte order.
  std::variant<Lines, Problem> expand(const std::string& path, std::span<const std::string_view> endings) {
    auto listed = reader_.list(path);
    if (const auto* problem = std::get_if<Problem>(&listed)) return unreadable(path, *problem);
    auto& names = std::get<FileReader::Names>(listed);
    if (!names) return Lines{path};
    std::sort(names->begin(), names->end());
    Lines paths;
    for (const std::string& name : *names) {
      const auto is_its_end = [&name](std::string_view ending) { return name.ends_with(ending); };
      if (!name.starts_with('.') && std::any_of(endings.begin(), endings.end(), is_its_end))
        paths.push_back(child_of(path, name));
    }
    return paths;
  }

  [[nodiscard]] const Lines& files() const { return files_; }

 private:
  static Problem unreadable(const std::string& path, const Problem& reason) {
    return {{}, fmt::format("cannot read {}: {}", excerpt(path), reason.message)};
  }

  FileReader& reader_;
  Lines files_;
  std::map<std::string, Text> texts_;
  std::size_t bytes_ = 0;
};

/// Loads a file and its includes, depth first. Reports the problems of all files together.
class Loader {
 public:
  explicit Loader(FileReader& reader) : cache_(reader) {}

  std::variant<Config, Lines> load(const std::string& path) {
    const auto text = cache_.read(path);
    if (const auto* problem = std::get_if<Problem>(&text)) return Lines{problem->message};
    ParsedText parsed = parse(*std::get<const TextCache::Text*>(text), path, {});
    Config config = std::move(parsed.config);
    config.policies = std::move(policies_);
    check_names(config);
    if (!problems_.empty()) return lines();
    config.files = cache_.files();
    return config;
  }

 private:
  /// Appends its own and included policies to `policies_`.
  ParsedText parse(const TextCache::Text& text, const std::string& path, TextPlace place) {
    place.file = text.file;
    ParsedText parsed = parse_text(text.text, place);
    for (Problem& problem : parsed.problems) problems_.push_back(std::move(problem));
    open_.push_back(path);
    for (const NamedPath& named : parsed.config.include) include(path_beside(path, named.path), named.position, parsed.mode);
    open_.pop_back();
    for (PolicyConfig& policy : parsed.config.policies) policies_.push_back(with_files(std::move(policy), path));
    return parsed;
  }

  void include(const std::string& path, Position position, Mode mode) {
    for (const std::string& file : expand(path, yaml_endings, position)) include_file(file, position, mode);
  }

  void include_file(const std::string& file, Position position, Mode mode) {
    if (std::find(open_.begin(), open_.end(), file) != open_.end()) {
      return add_problem(
          position,
          fmt::format("{} includes itself, directly or through other files; remove one of the includes", excerpt(file)));
    }
    if (open_.size() > deepest_include) {
      return add_problem(position, fmt::format("cannot include {}: includes are nested deeper than {} levels", excerpt(file),
                                               deepest_include));
    }
    if (!included_.emplace(file, position).second) {
      return add_problem(position, fmt::format("{} is included twice; keep one of the includes", excerpt(file)));
    }
    const TextCache::Text* text = read(file, position);
    if (text != nullptr) parse(*text, file, {TextPlace::Role::included, 0, mode});
  }

  /// Merges sysctl files into the policy. For the same key the last file wins, and the policy's own setting wins over files.
  PolicyConfig with_files(PolicyConfig policy, const std::string& path) {
    if (policy.sysctl_files.empty()) return policy;
    std::vector<Setting> settings;
    std::vector<KeyPattern> exclusions;
    const auto take = [&](std::vector<Setting> more) {
      std::map<std::string_view, const Setting*> replaced;
      for (const Setting& setting : more) replaced.emplace(setting.key.path(), &setting);
      std::erase_if(settings, [&](const Setting& setting) { return replaced.count(setting.key.path()) == 1; });
      for (Setting& setting : more) settings.push_back(std::move(setting));
    };
    const auto exclude = [&](const std::vector<KeyPattern>& more) {
      for (const KeyPattern& key : more) {
        if (std::find(exclusions.begin(), exclusions.end(), key) == exclusions.end()) exclusions.push_back(key);
      }
    };
    const std::size_t problems_before = problems_.size();
    for (const NamedPath& named : policy.sysctl_files) {
      for (SysctlConf& conf : read_confs(path_beside(path, named.path), named.position, policy)) {
        take(std::move(conf.settings));
        exclude(conf.exclusions);
      }
    }
    take(std::move(policy.sysctls));
    exclude(policy.exclusions);
    policy.sysctls = std::move(settings);
    policy.exclusions = std::move(exclusions);
    if (problems_.size() == problems_before) {
      if (auto problem = interfaces_problem(policy, policy.name)) problems_.push_back(*std::move(problem));
    }
    return policy;
  }

  std::vector<SysctlConf> read_confs(const std::string& path, Position position, const PolicyConfig& policy) {
    std::vector<SysctlConf> confs;
    for (const std::string& file : expand(path, conf_endings, position)) {
      const TextCache::Text* conf = read(file, position);
      if (conf == nullptr) continue;
      confs.push_back(parse_sysctl_conf(conf->text, policy, conf->file));
      for (Problem& problem : confs.back().problems) problems_.push_back(std::move(problem));
    }
    return confs;
  }

  /// Reads a file named at `position`; null when it cannot be read.
  const TextCache::Text* read(const std::string& file, Position position) {
    const auto text = cache_.read(file);
    if (const auto* problem = std::get_if<Problem>(&text)) add_problem(position, problem->message);
    const auto* found = std::get_if<const TextCache::Text*>(&text);
    return found == nullptr ? nullptr : *found;
  }

  Lines expand(const std::string& path, std::span<const std::string_view> endings, Position position) {
    auto expanded = cache_.expand(path, endings);
    if (auto* paths = std::get_if<Lines>(&expanded)) return std::move(*paths);
    add_problem(position, std::get<Problem>(expanded).message);
    return {};
  }

  /// Names within one file are already checked.
  void check_names(const Config& config) {
    std::map<std::string_view, Position> seen;
    for (const PolicyConfig& policy : config.policies) {
      const auto [first, is_new] = seen.emplace(policy.name, policy.position);
      if (is_new || policy.name.empty() || first->second.file == policy.position.file) continue;
      add_problem(policy.position, fmt::format("duplicate policy name \"{}\", first in {}:{}; rename one", policy.name,
                                               printable(cache_.files()[first->second.file]), first->second.line));
    }
  }

  void add_problem(Position position, std::string message) { problems_.push_back({position, std::move(message)}); }

  /// A file that two policies name is parsed for each.
  Lines lines() {
    std::stable_sort(problems_.begin(), problems_.end(), precedes);
    Lines all;
    for (const Problem& problem : problems_) {
      std::string line = format_problem(cache_.files()[problem.position.file], problem);
      if (all.empty() || all.back() != line) all.push_back(std::move(line));
    }
    return all;
  }

  TextCache cache_;
  std::vector<PolicyConfig> policies_;
  std::vector<Problem> problems_;
  Lines open_;  ///< files being read, outermost first
  std::map<std::string, Position> included_;
};

}  // namespace

std::variant<Config, std::vector<std::string>> load_config(FileReader& reader, const std::string& path) {
  return Loader(reader).load(path);
}

}  // namespace nswarden
