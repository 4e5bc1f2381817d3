// SPDX-License-Identifier: Apache-2.0
#include "config/config_policy.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>

#include <nswarden/config/config_shapes.hpp>
#include "config/config_commands.hpp"
#include "config/config_sysctls.hpp"
#include "config/setting_rules.hpp"

namespace nswarden {
namespace {

using Kind = YamlNode::Kind;

/// It is a label of every series.
constexpr std::size_t longest_policy_name = 128;

/// Empty when there is a problem.
std::string read_name(const YamlFields& policy) {
  const YamlNode* node = policy.require("name", "give it one, it is shown in metrics and logs");
  const std::string path = policy.path("name");
  if (node == nullptr || !is_kind(*node, Kind::scalar, path, policy.problems())) return {};
  const auto refuse = [&](std::string message) {
    policy.problems().push_back({node->where, path + std::move(message)});
    return std::string{};
  };
  if (node->text.empty()) return refuse(" is empty; it is shown in metrics and logs");
  if (node->text.size() > longest_policy_name) return refuse(fmt::format(" is longer than {} bytes", longest_policy_name));
  if (printable(node->text) != node->text) {
    return refuse(fmt::format(": \"{}\" has a backslash or characters that cannot be shown; remove them", excerpt(node->text)));
  }
  return node->text;
}

/// Whether netns without a name match too.
bool read_discover(const YamlFields& fields) {
  const YamlNode* node = fields.find("discover");
  const std::string path = fields.path("discover");
  if (node == nullptr || !is_kind(*node, Kind::scalar, path, fields.problems())) return false;
  if (node->text == "processes") return true;
  fields.problems().push_back(
      {node->where, fmt::format("{}: \"{}\" is nothing to discover; write processes", path, excerpt(node->text))});
  return false;
}

/// Which netns it is for.
PolicyConfig with_names(PolicyConfig policy, const YamlFields& fields) {
  policy.host = read_boolean(fields, "host");
  const YamlNode* host = fields.find("host");
  if (host == nullptr || host->text == "false") {
    fields.require("netns", "write a regular expression for the names it is for, such as ^qrouter-, or host: true");
  }
  policy.netns = read_patterns(fields, "netns");
  policy.exclude = read_patterns(fields, "exclude");
  policy.processes = read_discover(fields);
  if (policy.processes && policy.host && fields.find("netns") == nullptr) {
    fields.require("netns", "discover: needs it: a regular expression for names such as net:[4026532288]");
  }
  return policy;
}

bool has_any(const YamlFields& fields, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return fields.find(name) != nullptr; });
}

}  // namespace

PolicyConfig read_policy(const YamlNode& node, std::string name, Mode mode, std::vector<Problem>& problems) {
  const std::size_t told = problems.size();
  const YamlFields fields(node, std::move(name), policy_fields, problems);
  PolicyConfig policy;
  policy.where = node.where;
  policy.name = read_name(fields);
  policy = with_names(std::move(policy), fields);
  policy.mode = read_mode(fields).value_or(mode);
  policy.allow_global = read_boolean(fields, "allow_global");
  policy.restore = read_boolean(fields, "restore");
  policy.interfaces = read_patterns(fields, "interfaces");
  if (const YamlNode* interfaces = fields.find("interfaces")) policy.interfaces_where = interfaces->key_where;
  policy.sysctl_files = read_paths(fields, "sysctl_files");
  policy.observe = read_observations(fields);
  policy = with_sysctls(std::move(policy), fields);
  if (const YamlNode* commands = fields.find("commands")) {
    policy.commands = read_commands(*commands, fields.path("commands"), problems);
  }
  if (!has_any(fields, {"sysctls", "sysctl_files", "observe", "commands"})) {
    fields.require("sysctls",
                   "write sysctls: with a mapping of keys to values, or sysctl_files:, observe: or commands:, or "
                   "remove the policy");
  }
  if (policy.sysctl_files.empty() && problems.size() == told) {
    if (auto problem = interfaces_problem(policy, fields.name())) problems.push_back(*std::move(problem));
  }
  return policy;
}

std::optional<Problem> interfaces_problem(const PolicyConfig& policy, std::string_view name) {
  if (policy.interfaces.empty() || takes_interfaces(policy)) return std::nullopt;
  return Problem{policy.interfaces_where,
                 fmt::format("{}.interfaces has no use: no key of the policy has a glob in the place of an interface, as "
                             "net.ipv4.conf.*.rp_filter has; write one, or remove interfaces:",
                             name)};
}

}  // namespace nswarden
