// SPDX-License-Identifier: Apache-2.0
// The input is a configuration file. It is either refused, each problem with its place, or all of it can be used.
#include <set>
#include <vector>

#include <nswarden/core/config.hpp>
#include <nswarden/core/config_loss.hpp>
#include <nswarden/core/inotify_events.hpp>
#include <nswarden/core/policy.hpp>
#include <nswarden/core/value.hpp>

#include "oracle.hpp"

using namespace nswarden;
using core::Config;
using core::PolicyConfig;
using core::PolicySet;
using core::Problem;

namespace {

using Parsed = std::variant<Config, std::vector<Problem>>;

std::string told_of(core::Position where) { return std::to_string(where.line) + ":" + std::to_string(where.column) + " "; }

std::string told_of(const PolicyConfig& policy) {
  std::string out = told_of(policy.where) + policy.name + " " + policy.netns;
  for (const core::Setting& setting : policy.sysctls) {
    out += "\n " + told_of(setting.where) + setting.key.name() + " " + setting.want;
  }
  for (const std::string& command : policy.commands.startup) out += "\n startup " + command;
  for (const auto& on : policy.commands.events) {
    out += "\n on " + on.event;
    for (const std::string& command : on.commands) out += "\n  " + command;
  }
  return out + (policy.mode == core::Mode::audit ? " audit\n" : " enforce\n");
}

std::string told_of(const Parsed& parsed) {
  std::string out;
  if (const auto* problems = std::get_if<std::vector<Problem>>(&parsed)) {
    for (const Problem& problem : *problems) out += core::format_problem("refused", problem) + "\n";
    return out;
  }
  const Config& config = *std::get_if<Config>(&parsed);
  out += config.form == Config::Form::older ? "older\n" : "native\n";
  for (const std::string& directory : config.netns_dirs) out += directory + "\n";
  if (config.reconcile_interval) out += core::format_duration(*config.reconcile_interval) + "\n";
  for (const PolicyConfig& policy : config.policies) out += told_of(policy);
  return out;
}

/// The length of each line, without newlines; what follows the last newline is a line too.
std::vector<std::size_t> lengths_of_lines(std::string_view text) {
  std::vector<std::size_t> lengths;
  for (std::size_t newline = text.find('\n'); newline != std::string_view::npos; newline = text.find('\n')) {
    lengths.push_back(newline);
    text.remove_prefix(newline + 1);
  }
  lengths.push_back(text.size());
  return lengths;
}

void check_problems(std::string_view text, const std::vector<Problem>& problems) {
  fuzz::require(!problems.empty(), "a refusal has a reason");
  const std::vector<std::size_t> lengths = lengths_of_lines(text);
  const Problem* last = nullptr;
  for (const Problem& problem : problems) {
    const auto [line, column] = problem.where;
    const std::string shown = core::format_problem("", problem);
    fuzz::require(line >= 1 && static_cast<std::size_t>(line) <= lengths.size(), "a line is one of the file", shown);
    const std::size_t length = lengths[static_cast<std::size_t>(line) - 1];
    fuzz::require(column >= 1 && static_cast<std::size_t>(column) <= length + 1, "a column is one of its line", shown);
    fuzz::require(fuzz::is_one_line(problem.message), "a problem is one line", problem.message);
    const bool ordered =
        last == nullptr || last->where.line < line || (last->where.line == line && last->where.column <= column);
    fuzz::require(ordered, "problems come in the order of their places", shown);
    last = &problem;
  }
}

void check_setting(const core::Setting& setting) {
  const std::string& path = setting.key.path();
  fuzz::require(path[0] != '/' && ("/" + path + "/").find("/../") == std::string::npos, "keys stay below net", path);
  fuzz::require(!core::value_problem(setting.want), "what is wanted is a value", setting.key.name());
  fuzz::require(core::normalised(setting.want) == setting.want, "what is wanted is a normal value", setting.key.name());
}

void check_command(const std::string& command) {
  const bool fits = !command.empty() && command.size() <= core::max_command_size && command.find('\0') == std::string::npos;
  fuzz::require(fits, "a command can be given to a shell", command);
}

void check_commands(const core::PolicyCommands& commands) {
  for (const std::string& command : commands.startup) check_command(command);
  for (const auto& on : commands.events) {
    fuzz::require(on.bits != 0 && core::inotify_bits(on.event) == on.bits, "an event is a known one", on.event);
    for (const std::string& command : on.commands) check_command(command);
  }
}

/// What a reload says about a file that was cut short.
void check_loss(const Config& config) {
  fuzz::require(core::dropped_by(config, config).empty(), "the same configuration drops nothing");
  const std::string all = core::dropped_by(config, Config{});
  fuzz::require(all.empty() == config.policies.empty(), "a policy that is dropped is told");
  fuzz::require(all.empty() || fuzz::is_one_line(all), "what is dropped is told in one line", all);
}

void check_config(const Config& config) {
  std::set<std::string_view> names;
  for (const PolicyConfig& policy : config.policies) {
    fuzz::require(!policy.name.empty() && names.insert(policy.name).second, "a policy has a name of its own", policy.name);
    fuzz::require(core::printable(policy.name) == policy.name, "a policy's name is shown as it is", policy.name);
    fuzz::require(!core::pattern_problem(policy.netns), "an accepted pattern compiles", policy.netns);
    for (const core::Setting& setting : policy.sysctls) check_setting(setting);
    check_commands(policy.commands);
    const bool is_older = config.form == Config::Form::older;
    fuzz::require(!is_older || policy.sysctls.empty(), "the older form wants no sysctls", policy.name);
  }
  check_loss(config);
  for (const std::string& path : config.netns_dirs) {
    const bool plain = path.starts_with('/') && (path.size() == 1 || path.back() != '/');
    fuzz::require(plain && path.find('\0') == std::string::npos, "a directory is an absolute path", path);
  }
  fuzz::require(config.reconcile_interval.value_or(core::min_reconcile_interval) >= core::min_reconcile_interval &&
                    config.command_timeout.value_or(core::min_command_timeout) >= core::min_command_timeout,
                "times are long enough");
}

/// Each key of the policies that match has one owner, the last of them, and each other policy that names it has lost it.
void check_plan(const Config& config, const PolicySet& policies, std::string_view name) {
  const std::vector<core::PolicyIndex> matched = policies.match({&name, 1});
  const core::Plan plan = policies.plan(matched);
  fuzz::require(plan.policies == matched, "a plan is of the policies that match");
  std::size_t named = 0;
  for (const core::PolicyIndex index : matched) named += config.policies[index].sysctls.size();
  fuzz::require(plan.settings.size() + plan.overridden.size() == named, "a setting is planned or lost");
  std::set<core::KeyIndex> planned;
  auto rank = core::WriteRank::plain;
  for (const core::PlannedSetting& setting : plan.settings) {
    const core::Key& key = policies.keys()[setting.key];
    fuzz::require(planned.insert(setting.key).second, "a key is planned once", key.name());
    fuzz::require(rank <= key.write_rank(), "all is written before default, and that before interfaces", key.name());
    rank = key.write_rank();
  }
  for (const core::Overridden& lost : plan.overridden) {
    fuzz::require(planned.count(lost.key) == 1 && lost.loser < lost.winner, "the later policy wins");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  const Parsed parsed = core::parse_config(text);
  fuzz::require(told_of(parsed) == told_of(core::parse_config(text)), "a file is read alike each time");
  if (const auto* problems = std::get_if<std::vector<Problem>>(&parsed)) {
    check_problems(text, *problems);
    return 0;
  }
  fuzz::require(text.ends_with('\n') && core::is_valid_utf8(text), "what is accepted is a whole text");
  const auto cut = core::parse_config(text.substr(0, text.size() - 1));
  fuzz::require(std::holds_alternative<std::vector<Problem>>(cut), "without its newline a file is refused");
  const Config& config = *std::get_if<Config>(&parsed);
  check_config(config);
  const PolicySet policies(config, PolicySet::Audit::as_configured);
  for (const std::string_view name : {std::string_view("qrouter-1"), std::string_view("x"), std::string_view("\xff\n", 2)}) {
    check_plan(config, policies, name);
  }
  return 0;
}
