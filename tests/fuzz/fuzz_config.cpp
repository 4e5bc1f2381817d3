// SPDX-License-Identifier: Apache-2.0
// The input is a configuration file. The parser either rejects it, with a position for each problem, or returns a usable one.
#include <set>
#include <vector>

#include <nswarden/config/config.hpp>
#include <nswarden/config/config_convert.hpp>
#include <nswarden/config/config_text.hpp>
#include <nswarden/policy/inotify_events.hpp>
#include <nswarden/policy/policy.hpp>
#include <nswarden/policy/value.hpp>

#include "oracle.hpp"
#include "problems.hpp"

using namespace nswarden;

namespace {

using Parsed = std::variant<Config, std::vector<Problem>>;

/// Positions of all positioned items; print_config() covers their contents.
std::string places_of(const Config& config) {
  std::string out;
  const auto add = [&out](Position position) {
    out += std::to_string(position.line) + ":" + std::to_string(position.column) + "\n";
    fuzz::require(position.file == 0, "a text is one file");
  };
  for (const PolicyConfig& policy : config.policies) {
    add(policy.position);
    for (const Setting& setting : policy.sysctls) add(setting.position);
    for (const Observation& observed : policy.observe) add(observed.position);
  }
  return out;
}

std::string problem_lines(const Parsed& parsed) {
  std::string out;
  if (const auto* problems = std::get_if<std::vector<Problem>>(&parsed)) {
    for (const Problem& problem : *problems) out += format_problem("refused", problem) + "\n";
    return out;
  }
  const Config& config = *std::get_if<Config>(&parsed);
  return places_of(config) + print_config(config);
}

void check_key(const KeyPattern& key) {
  const std::string& path = key.path();
  fuzz::require(path[0] != '/' && ("/" + path + "/").find("/../") == std::string::npos, "keys stay below net", path);
}

void check_setting(const Setting& setting) {
  check_key(setting.key);
  const std::string name = setting.key.name();
  if (setting.want.set()) {
    const std::string& set = *setting.want.set();
    fuzz::require(!value_text_problem(set), "what is written is a value", name);
    fuzz::require(normalised(set) == set, "what is written is a normal value", name);
  }
  fuzz::require(setting.want.set() || setting.mode != Mode::enforce, "what is enforced can be written", name);
}

void check_command(const std::string& command) {
  const bool fits = !command.empty() && command.size() <= max_command_size && command.find('\0') == std::string::npos;
  fuzz::require(fits, "a command can be given to a shell", command);
}

void check_commands(const PolicyCommands& commands) {
  for (const std::string& command : commands.startup) check_command(command);
  for (const auto& on : commands.events) {
    fuzz::require(on.bits != 0 && inotify_bits(on.event) == on.bits, "an event is a known one", on.event);
    for (const std::string& command : on.commands) check_command(command);
  }
}

/// Printed configurations parse to the same configuration and print identically; the older form matches the native form that
/// it converts to.
void check_print(const Config& config) {
  const std::string text = convert_config(config);
  const Parsed again = parse_config(text);
  fuzz::require(std::holds_alternative<Config>(again), "what is printed is accepted", text);
  const Config& read = *std::get_if<Config>(&again);
  for (const PolicyConfig& policy : read.policies) {
    const bool keeps = policy.commands.empty() || policy.commands.capabilities == CommandCapabilities::daemon;
    fuzz::require(keeps || config.form == Config::Form::native, "commands of the older form keep the daemon's capabilities",
                  text);
  }
  if (config.form == Config::Form::older) return;
  fuzz::require(same_config(config, read), "what is printed is read as the same", text);
  fuzz::require(print_config(read) == text, "what was read is printed alike", text);
}

/// Checks the result of reloading a truncated file.
void check_loss(const Config& config) {
  fuzz::require(dropped_by(config, config).empty(), "the same configuration drops nothing");
  const std::string all = dropped_by(config, Config{});
  fuzz::require(all.empty() == config.policies.empty(), "a policy that is dropped is told");
  fuzz::require(all.empty() || fuzz::is_one_line(all), "what is dropped is told in one line", all);
}

void check_config(const Config& config) {
  std::set<std::string_view> names;
  for (const PolicyConfig& policy : config.policies) {
    fuzz::require(!policy.name.empty() && names.insert(policy.name).second, "a policy has a name of its own", policy.name);
    fuzz::require(printable(policy.name) == policy.name, "a policy's name is shown as it is", policy.name);
    fuzz::require(policy.host || !policy.netns.empty(), "a policy is for some netns", policy.name);
    std::set<KeyPattern> keys;
    for (const Setting& setting : policy.sysctls) {
      check_setting(setting);
      fuzz::require(keys.insert(setting.key).second, "a key is in a policy once", setting.key.name());
    }
    for (const Observation& observed : policy.observe) check_key(observed.key);
    for (const KeyPattern& key : policy.exclusions) check_key(key);
    check_commands(policy.commands);
    const bool is_older = config.form == Config::Form::older;
    fuzz::require(!is_older || policy.sysctls.empty(), "the older form wants no sysctls", policy.name);
  }
  check_loss(config);
  for (const std::string& path : config.netns_dirs) {
    const bool plain = path.starts_with('/') && (path.size() == 1 || path.back() != '/');
    fuzz::require(plain && path.find('\0') == std::string::npos, "a directory is an absolute path", path);
  }
  fuzz::require(config.reconcile_interval.value_or(min_reconcile_interval) >= min_reconcile_interval &&
                    config.command_timeout.value_or(min_command_timeout) >= min_command_timeout,
                "times are long enough");
}

/// Keys of a plausible netns, including the settings' own.
std::vector<Key> found_keys(const Config& config, const Plan& plan) {
  std::set<Key> some;
  for (const char* path :
       {"ipv4/conf/all/rp_filter", "ipv4/conf/eth0/rp_filter", "ipv4/conf/eth0.100/rp_filter", "ipv4/ip_forward"}) {
    some.insert(*Key::at(path));
  }
  for (const PolicyConfig& policy : config.policies) {
    for (const Setting& setting : policy.sysctls) {
      if (const Key* exact = setting.key.exact()) some.insert(*exact);
    }
  }
  std::vector<Key> found;
  for (const Key& key : some) {
    const auto takes = [&key](const KeyPattern* glob) { return glob->matches(key); };
    if (std::any_of(plan.globs.begin(), plan.globs.end(), takes)) found.push_back(key);
  }
  return found;
}

/// Each key of the matching policies has one owner; each exact key that a policy does not own is recorded as lost.
void check_plan(const Config& config, const PolicySet& policies, NetnsName name) {
  const std::vector<PolicyIndex> matched = policies.match({&name, 1});
  const Plan plan = policies.plan(matched);
  fuzz::require(plan.policies == matched, "a plan is of the policies that match");
  const Resolution resolution = policies.resolve(plan, found_keys(config, plan));
  std::set<Key> planned;
  auto rank = WriteRank::plain;
  for (const PlannedSetting& setting : resolution.settings) {
    const std::string shown = setting.key.name();
    fuzz::require(planned.insert(setting.key).second, "a key is planned once", shown);
    fuzz::require(setting.setting != nullptr && setting.setting->key.matches(setting.key), "an owner names its key", shown);
    fuzz::require(rank <= setting.key.write_rank(), "all is written before default, and that before interfaces", shown);
    rank = setting.key.write_rank();
  }
  for (const PolicyIndex index : matched) {
    for (const Setting& setting : config.policies[index].sysctls) {
      const Key* exact = setting.key.exact();
      fuzz::require(exact == nullptr || planned.count(*exact) == 1, "a key that is named is planned", setting.key.name());
    }
  }
  for (const Overridden& lost : resolution.overridden) {
    fuzz::require(planned.count(lost.key) == 1 && lost.loser != lost.winner, "another policy wins", lost.key.name());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  const Parsed parsed = parse_config(text);
  fuzz::require(problem_lines(parsed) == problem_lines(parse_config(text)), "a file is read alike each time");
  if (const auto* problems = std::get_if<std::vector<Problem>>(&parsed)) {
    fuzz::check_problems(text, *problems);
    return 0;
  }
  fuzz::require(text.ends_with('\n') && is_valid_utf8(text), "what is accepted is a whole text");
  if (!text.ends_with("\n\n")) {
    const auto cut = parse_config(text.substr(0, text.size() - 1));
    fuzz::require(std::holds_alternative<std::vector<Problem>>(cut), "without its newline a file is refused");
  }
  const Config& config = *std::get_if<Config>(&parsed);
  check_config(config);
  check_print(config);
  const PolicySet policies(config, PolicySet::Audit::as_configured);
  for (const std::string_view name : {std::string_view("qrouter-1"), std::string_view("x"), std::string_view("\xff\n", 2)}) {
    check_plan(config, policies, {name});
    check_plan(config, policies, {name, NameKind::process});
  }
  check_plan(config, policies, {"host", NameKind::host});
  return 0;
}
