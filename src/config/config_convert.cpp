// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/config_convert.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config_text.hpp>
#include <nswarden/config/yaml_fields.hpp>
#include "config/setting_rules.hpp"
#include "config/sysctl_command.hpp"

namespace nswarden {
namespace {

using Strings = std::vector<std::string>;
using Policies = std::vector<PolicyConfig>;

constexpr std::string_view created = "IN_CREATE";

constexpr std::string_view heading =
    "# Made by `nswarden config convert`: each rule is a policy, in the same order, so that the later one still wins.\n"
    "# Commands that only set sysctls have become settings. They hold when the daemon starts and for new netns, as the\n"
    "# commands did, and from then on. Everything else stayed a command, with the daemon's capabilities\n"
    "# as before: `capabilities: daemon` can go where a command needs none.\n";

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// Converts one rule into policies. Several policies preserve the order of operations: within one policy, files precede
/// settings, and an event has a single list of commands.
class RuleConverter {
 public:
  explicit RuleConverter(const PolicyConfig& rule) : rule_(rule) {
    begin_policy();
    const std::vector<SysctlStep> at_start = split(rule.commands.startup, kept_.startup);
    std::vector<SysctlStep> at_creation;
    for (const PolicyCommands::OnEvent& on : rule.commands.events) {
      PolicyCommands::OnEvent rest{on.event, on.bits, {}};
      if (on.event == created) {
        const std::vector<SysctlStep> steps = split(on.commands, rest.commands);
        at_creation.insert(at_creation.end(), steps.begin(), steps.end());
      } else {
        rest.commands = on.commands;
        if (std::any_of(on.commands.begin(), on.commands.end(), read_sysctl_command)) {
          remark(fmt::format("what {} sets stayed commands: settings are not for an event", on.event));
        }
      }
      if (!rest.commands.empty()) kept_.events.push_back(std::move(rest));
    }
    apply(at_start);
    // Most rules have the same steps for both.
    if (at_creation != at_start) apply(at_creation);
    add_commands();
    std::erase_if(policies_, [](const PolicyConfig& policy) {
      return policy.sysctls.empty() && policy.sysctl_files.empty() && policy.commands.empty();
    });
    for (PolicyConfig& policy : policies_) {
      if (!policy.commands.empty()) policy.commands.capabilities = rule.commands.capabilities;
    }
    for (std::size_t i = 1; i < policies_.size(); ++i) policies_[i].name = fmt::format("{}-part-{}", rule_.name, i + 1);
  }

  [[nodiscard]] const Policies& policies() const { return policies_; }

  /// One line per conversion step.
  [[nodiscard]] Strings comments() const {
    std::size_t kept = kept_.startup.size();
    for (const PolicyCommands::OnEvent& on : kept_.events) kept += on.commands.size();
    std::string line = fmt::format("{} (line {}): ", rule_.name, rule_.where.line);
    if (policies_.empty()) {
      line += "it had no commands, and is left out";
    } else {
      line += fmt::format("{} became settings, {} stayed", counted(converted_, "command"), kept);
    }
    Strings lines{std::move(line)};
    lines.insert(lines.end(), remarks_.begin(), remarks_.end());
    return lines;
  }

 private:
  void begin_policy() {
    PolicyConfig policy;
    policy.name = rule_.name;
    policy.netns = rule_.netns;
    policies_.push_back(std::move(policy));
  }

  /// Returns the steps of the convertible commands; appends the other commands to `kept`.
  std::vector<SysctlStep> split(const Strings& commands, Strings& kept) {
    std::vector<SysctlStep> all;
    for (const std::string& command : commands) {
      const auto steps = read_sysctl_command(command);
      const auto refusal = steps ? refusal_of(*steps) : std::nullopt;
      if (refusal) remark(fmt::format("this stayed a command, because {}: {}", *refusal, excerpt(command)));
      if (!steps || refusal) {
        kept.push_back(command);
        continue;
      }
      ++converted_;
      all.insert(all.end(), steps->begin(), steps->end());
    }
    return all;
  }

  /// Why the native form rejects the steps.
  [[nodiscard]] std::optional<std::string> refusal_of(const std::vector<SysctlStep>& steps) const {
    for (const SysctlStep& step : steps) {
      const auto* file = std::get_if<SysctlFile>(&step);
      auto refusal = file != nullptr ? refusal_of(*file) : refusal_of(std::get<SysctlAssignment>(step));
      if (refusal) return refusal;
    }
    return std::nullopt;
  }
  [[nodiscard]] static std::optional<std::string> refusal_of(const SysctlFile& file) {
    return is_path(file.path) ? std::nullopt : std::optional<std::string>("it names no file");
  }
  [[nodiscard]] std::optional<std::string> refusal_of(const SysctlAssignment& assignment) const {
    const auto key = Key::parse(assignment.key);
    if (const auto* problem = std::get_if<Problem>(&key)) return problem->message;
    const KeyPattern pattern{std::get<Key>(key)};
    if (auto refusal = key_refusal(pattern, rule_)) return refusal;
    if (auto refusal = enforcing_refusal(pattern, rule_.mode)) return refusal;
    return value_refusal(pattern, assignment.value);
  }

  void apply(const std::vector<SysctlStep>& steps) {
    for (const SysctlStep& step : steps) {
      if (const auto* file = std::get_if<SysctlFile>(&step)) add_file(file->path);
      if (const auto* assignment = std::get_if<SysctlAssignment>(&step)) add_setting(*assignment);
    }
  }

  void add_file(const std::string& path) {
    const auto is_it = [&path](const NamedPath& named) { return named.path == path; };
    const auto& files = policies_.back().sysctl_files;
    const bool is_there = std::any_of(files.begin(), files.end(), is_it);
    if (is_there || !policies_.back().sysctls.empty()) begin_policy();
    policies_.back().sysctl_files.push_back({path, {}});
    remark(fmt::format("{} is read as a file of sysctl.d(5); what it may not hold, nswarden config check says", excerpt(path)));
  }

  void add_setting(const SysctlAssignment& assignment) {
    Setting setting{KeyPattern{std::get<Key>(Key::parse(assignment.key))}, Want::equal(assignment.value), {}};
    setting.optional = assignment.optional;
    auto& settings = policies_.back().sysctls;
    const auto is_it = [&setting](const Setting& other) { return other.key == setting.key; };
    const auto same = std::find_if(settings.begin(), settings.end(), is_it);
    if (same == settings.end()) {
      settings.push_back(std::move(setting));
      return;
    }
    if (!(same->want == setting.want)) {
      remark(fmt::format("it set {} to several values, of which the last one stays", shown(setting.key)));
    }
    // An assignment without -e requires the key to exist.
    same->optional = same->optional && setting.optional;
    same->want = std::move(setting.want);
  }

  void add_commands() {
    policies_.back().commands.startup = kept_.startup;
    for (const PolicyCommands::OnEvent& on : kept_.events) {
      auto& events = policies_.back().commands.events;
      const auto has_its_name = [&on](const PolicyCommands::OnEvent& other) { return other.event == on.event; };
      const auto may_come_with_it = [&on](const PolicyCommands::OnEvent& other) { return (other.bits & on.bits) != 0; };
      const auto same = std::find_if(events.begin(), events.end(), has_its_name);
      if (same == events.end()) {
        events.push_back(on);
      } else if (std::none_of(same + 1, events.end(), may_come_with_it)) {
        same->commands.insert(same->commands.end(), on.commands.begin(), on.commands.end());
      } else {
        begin_policy();
        policies_.back().commands.events.push_back(on);
      }
    }
  }

  void remark(std::string line) {
    if (std::find(remarks_.begin(), remarks_.end(), line) == remarks_.end()) remarks_.push_back(std::move(line));
  }

  const PolicyConfig& rule_;
  Policies policies_;
  PolicyCommands kept_;
  Strings remarks_;
  std::size_t converted_ = 0;
};

/// One line for each key that an earlier policy sets to another value.
Strings conflicts_of(const PolicyConfig& policy, const Policies& earlier) {
  Strings lines;
  for (const Setting& setting : policy.sysctls) {
    for (const PolicyConfig& other : earlier) {
      const auto loses = [&setting](const Setting& lost) { return lost.key == setting.key && !(lost.want == setting.want); };
      if (std::none_of(other.sysctls.begin(), other.sysctls.end(), loses)) continue;
      lines.push_back(
          fmt::format("{} wants another value of {}: where both match, this one wins", other.name, shown(setting.key)));
    }
  }
  return lines;
}

std::string comment_text(const Strings& lines) {
  std::string text;
  for (const std::string& line : lines) text += fmt::format("  # {}\n", line);
  return text;
}

}  // namespace

std::string convert_config(const Config& config) {
  if (config.form == Config::Form::native) return print_config(config);
  std::string body;
  Policies done;
  for (const PolicyConfig& rule : config.policies) {
    const RuleConverter converter(rule);
    body += comment_text(converter.comments());
    for (const PolicyConfig& policy : converter.policies()) {
      body += comment_text(conflicts_of(policy, done));
      body += policy_text(policy);
      done.push_back(policy);
    }
  }
  return fmt::format("{}version: 1\n{}{}", heading, done.empty() ? "policies: []\n" : "policies:\n", body);
}

}  // namespace nswarden
