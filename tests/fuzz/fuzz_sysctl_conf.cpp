// SPDX-License-Identifier: Apache-2.0
// The input is a file of sysctl.d(5). It is either refused, each problem with its place, or what it says can be said in YAML
// too.
#include <set>
#include <vector>

#include "config/config_text.hpp"
#include "config/sysctl_conf.hpp"
#include <nswarden/policy/value.hpp>

#include "oracle.hpp"

using namespace nswarden;

namespace {

void check_problems(std::string_view text, const std::vector<core::Problem>& problems) {
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  int last = 1;
  for (const core::Problem& problem : problems) {
    const std::string shown = core::format_problem("", problem);
    fuzz::require(problem.where.line >= last && problem.where.line <= lines, "a line is one of the file, in order", shown);
    fuzz::require(problem.where.column >= 1, "a column is one of its line", shown);
    fuzz::require(problem.where.file == 3, "a problem knows its file", shown);
    fuzz::require(fuzz::is_one_line(problem.message), "a problem is one line", problem.message);
    last = problem.where.line;
  }
}

core::PolicyConfig policy_of(const core::SysctlConf& conf) {
  core::PolicyConfig policy;
  policy.name = "p";
  policy.netns.push_back(std::get<core::Pattern>(core::Pattern::compile(".*")));
  policy.sysctls = conf.settings;
  policy.exclusions = conf.exclusions;
  return policy;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  const core::SysctlConf conf = core::parse_sysctl_conf(text, core::PolicyConfig{}, 3);
  check_problems(text, conf.problems);
  if (!conf.problems.empty()) return 0;
  fuzz::require(text.empty() || text.ends_with('\n'), "what is accepted is a whole text");
  std::set<core::KeyPattern> keys;
  for (const core::Setting& setting : conf.settings) {
    const std::string name = setting.key.name();
    fuzz::require(keys.insert(setting.key).second, "a key is there once", name);
    fuzz::require(setting.want.set() && core::normalised(*setting.want.set()) == *setting.want.set(), "a value is normal",
                  name);
  }
  core::Config config;
  config.policies.push_back(policy_of(conf));
  const std::string yaml = core::print_config(config);
  const auto parsed = core::parse_config(yaml);
  const auto* read = std::get_if<core::Config>(&parsed);
  fuzz::require(read != nullptr && core::same_config(config, *read), "YAML takes what such a file may say", yaml);
  return 0;
}
