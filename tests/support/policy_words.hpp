// SPDX-License-Identifier: Apache-2.0
// Policies from a few words.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nswarden/config/config.hpp>

namespace nswarden::test {

inline Pattern pattern(const std::string& text) { return std::get<Pattern>(Pattern::compile(text)); }

inline KeyPattern key_pattern(const std::string& text) { return std::get<KeyPattern>(KeyPattern::parse(text)); }

inline Setting setting(const std::string& key, const std::string& want, Position position = {1, 1}) {
  return {key_pattern(key), Want::equal(want), position};
}

inline PolicyConfig policy(const std::string& name, const std::string& netns, std::vector<Setting> sysctls,
                           Mode mode = Mode::enforce) {
  PolicyConfig made;
  made.name = name;
  made.netns.push_back(pattern(netns));
  made.mode = mode;
  made.sysctls = std::move(sysctls);
  made.position = {1, 1};
  return made;
}

}  // namespace nswarden::test
