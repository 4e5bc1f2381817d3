// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/config_loss.hpp>

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include <nswarden/core/text.hpp>

namespace nswarden::core {
namespace {

std::optional<std::string> dropped_settings(const PolicyConfig& before, const PolicyConfig& after, std::size_t most) {
  std::size_t count = 0;
  std::string names;
  for (const Setting& setting : before.sysctls) {
    const bool stays =
        std::any_of(after.sysctls.begin(), after.sysctls.end(), [&](const Setting& other) { return other.key == setting.key; });
    if (stays || ++count > most) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", printable(setting.key.name()));
  }
  if (count == 0) return std::nullopt;
  return fmt::format("{} setting{} of policy {} ({}{})", count, count == 1 ? "" : "s", before.name, names,
                     count > most ? ", ..." : "");
}

}  // namespace

std::string dropped_by(const Config& before, const Config& after, std::size_t most) {
  std::vector<std::string> dropped;
  for (const PolicyConfig& policy : before.policies) {
    const auto same = std::find_if(after.policies.begin(), after.policies.end(),
                                   [&](const PolicyConfig& other) { return other.name == policy.name; });
    if (same == after.policies.end()) {
      dropped.push_back("policy " + policy.name);
      continue;
    }
    if (auto settings = dropped_settings(policy, *same, most)) dropped.push_back(*std::move(settings));
    if (!policy.commands.empty() && same->commands.empty()) dropped.push_back("commands of policy " + policy.name);
  }
  std::string line;
  for (std::size_t i = 0; i < std::min(dropped.size(), most); ++i) line += (i == 0 ? "" : "; ") + dropped[i];
  if (dropped.size() > most) line += fmt::format("; and {} more", dropped.size() - most);
  return line;
}

}  // namespace nswarden::core
