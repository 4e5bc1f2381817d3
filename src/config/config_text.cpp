// SPDX-License-Identifier: Apache-2.0
#include "config/config_text.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>

#include "config/policy_text.hpp"
#include "config/yaml_text.hpp"

namespace nswarden {
namespace {

std::vector<std::string> paths_of(const std::vector<NamedPath>& named) {
  std::vector<std::string> paths;
  paths.reserve(named.size());
  for (const NamedPath& path : named) paths.push_back(path.path);
  return paths;
}

bool same_setting(const Setting& a, const Setting& b) {
  return a.key == b.key && a.want == b.want && a.mode == b.mode && a.optional == b.optional && a.note == b.note;
}

bool same_event(const PolicyCommands::OnEvent& a, const PolicyCommands::OnEvent& b) {
  return a.event == b.event && a.bits == b.bits && a.commands == b.commands;
}

bool same_commands(const PolicyCommands& a, const PolicyCommands& b) {
  return a.capabilities == b.capabilities && a.startup == b.startup &&
         std::equal(a.events.begin(), a.events.end(), b.events.begin(), b.events.end(), same_event);
}

bool same_observation(const Observation& a, const Observation& b) { return a.key == b.key; }

bool same_policy(const PolicyConfig& a, const PolicyConfig& b) {
  const bool same_netns = a.name == b.name && a.netns == b.netns && a.exclude == b.exclude && a.host == b.host &&
                          a.processes == b.processes && a.interfaces == b.interfaces;
  const bool same_way = a.mode == b.mode && a.allow_global == b.allow_global && a.restore == b.restore;
  return same_netns && same_way && a.exclusions == b.exclusions && paths_of(a.sysctl_files) == paths_of(b.sysctl_files) &&
         std::equal(a.sysctls.begin(), a.sysctls.end(), b.sysctls.begin(), b.sysctls.end(), same_setting) &&
         std::equal(a.observe.begin(), a.observe.end(), b.observe.begin(), b.observe.end(), same_observation) &&
         same_commands(a.commands, b.commands);
}

}  // namespace

std::string print_config(const Config& config) {
  std::string out = "version: 1\n";
  out += one_or_list("", "include", paths_of(config.include));
  if (!config.netns_dirs.empty()) out += "netns_dirs:\n";
  for (const std::string& directory : config.netns_dirs) out += fmt::format("  - {}\n", yaml_text(directory));
  if (config.links == Links::follow) out += "follow_links: true\n";
  const auto print_duration = [&out](std::string_view field, const std::optional<std::chrono::milliseconds>& duration) {
    if (duration) out += fmt::format("{}: {}\n", field, format_duration(*duration));
  };
  print_duration("reconcile_interval", config.reconcile_interval);
  print_duration("command_timeout", config.command_timeout);
  if (config.repair_budget) out += fmt::format("repair_budget: {}\n", *config.repair_budget);
  print_duration("repair_window", config.repair_window);
  out += config.policies.empty() ? "policies: []\n" : "policies:\n";
  for (const PolicyConfig& policy : config.policies) out += policy_text(policy);
  return out;
}

bool same_config(const Config& a, const Config& b) {
  const bool same_names = a.netns_dirs == b.netns_dirs && a.links == b.links;
  const bool same_times = a.reconcile_interval == b.reconcile_interval && a.command_timeout == b.command_timeout &&
                          a.repair_budget == b.repair_budget && a.repair_window == b.repair_window;
  return a.form == b.form && same_names && same_times && paths_of(a.include) == paths_of(b.include) &&
         std::equal(a.policies.begin(), a.policies.end(), b.policies.begin(), b.policies.end(), same_policy);
}

}  // namespace nswarden
