// SPDX-License-Identifier: Apache-2.0
#include <nswarden/config/config_loss.hpp>

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

/// `what` is how one thing with a key is called.
template <class Keyed>
std::optional<std::string> dropped_keys(const std::vector<Keyed>& before, const std::vector<Keyed>& after,
                                        std::string_view what, const PolicyConfig& policy, std::size_t most) {
  std::size_t count = 0;
  std::string names;
  for (const Keyed& keyed : before) {
    const bool stays = std::any_of(after.begin(), after.end(), [&](const Keyed& other) { return other.key == keyed.key; });
    if (stays || ++count > most) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", printable(keyed.key.name()));
  }
  if (count == 0) return std::nullopt;
  return fmt::format("{} {}{} of policy {} ({}{})", count, what, count == 1 ? "" : "s", policy.name, names,
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
    auto settings = dropped_keys(policy.sysctls, same->sysctls, "setting", policy, most);
    if (settings) dropped.push_back(*std::move(settings));
    auto observed = dropped_keys(policy.observe, same->observe, "observed key", policy, most);
    if (observed) dropped.push_back(*std::move(observed));
    if (!policy.commands.empty() && same->commands.empty()) dropped.push_back("commands of policy " + policy.name);
  }
  std::string line;
  for (std::size_t i = 0; i < std::min(dropped.size(), most); ++i) line += (i == 0 ? "" : "; ") + dropped[i];
  if (dropped.size() > most) line += fmt::format("; and {} more", dropped.size() - most);
  return line;
}

}  // namespace nswarden
