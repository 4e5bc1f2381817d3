// SPDX-License-Identifier: Apache-2.0
// The input is a file of sysctl.d(5). The parser either rejects it, with a position for each problem, or its content has an
// equivalent in YAML.
#include <set>
#include <vector>

#include <nswarden/config/config.hpp>
#include <nswarden/config/config_text.hpp>
#include <nswarden/policy/value.hpp>
#include "config/sysctl_conf.hpp"

#include "oracle.hpp"

using namespace nswarden;

namespace {

void check_problems(std::string_view text, const std::vector<Problem>& problems) {
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  int last = 1;
  for (const Problem& problem : problems) {
    const std::string shown = format_problem("", problem);
    fuzz::require(problem.position.line >= last && problem.position.line <= lines, "a line is one of the file, in order",
                  shown);
    fuzz::require(problem.position.column >= 1, "a column is one of its line", shown);
    fuzz::require(problem.position.file == 3, "a problem knows its file", shown);
    fuzz::require(fuzz::is_one_line(problem.message), "a problem is one line", problem.message);
    last = problem.position.line;
  }
}

PolicyConfig policy_of(const SysctlConf& conf) {
  PolicyConfig policy;
  policy.name = "p";
  policy.netns.push_back(std::get<Pattern>(Pattern::compile(".*")));
  policy.sysctls = conf.settings;
  policy.exclusions = conf.exclusions;
  return policy;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  const SysctlConf conf = parse_sysctl_conf(text, PolicyConfig{}, 3);
  check_problems(text, conf.problems);
  if (!conf.problems.empty()) return 0;
  fuzz::require(text.empty() || text.ends_with('\n'), "what is accepted is a whole text");
  std::set<KeyPattern> keys;
  for (const Setting& setting : conf.settings) {
    const std::string name = setting.key.name();
    fuzz::require(keys.insert(setting.key).second, "a key is there once", name);
    fuzz::require(setting.want.set() && normalised(*setting.want.set()) == *setting.want.set(), "a value is normal", name);
  }
  Config config;
  config.policies.push_back(policy_of(conf));
  const std::string yaml = print_config(config);
  const auto parsed = parse_config(yaml);
  const auto* read = std::get_if<Config>(&parsed);
  fuzz::require(read != nullptr && same_config(config, *read), "YAML takes what such a file may say", yaml);
  return 0;
}
