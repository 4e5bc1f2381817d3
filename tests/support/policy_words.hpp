// SPDX-License-Identifier: Apache-2.0
// Policies from a few words.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nswarden/config/config.hpp>

namespace nswarden::test {

inline core::Pattern pattern(const std::string& text) { return std::get<core::Pattern>(core::Pattern::compile(text)); }

inline core::KeyPattern key_pattern(const std::string& text) {
  return std::get<core::KeyPattern>(core::KeyPattern::parse(text));
}

inline core::Setting setting(const std::string& key, const std::string& want, core::Position where = {1, 1}) {
  return {key_pattern(key), core::Want::equal(want), where};
}

inline core::PolicyConfig policy(const std::string& name, const std::string& netns, std::vector<core::Setting> sysctls,
                                 core::Mode mode = core::Mode::enforce) {
  core::PolicyConfig made;
  made.name = name;
  made.netns.push_back(pattern(netns));
  made.mode = mode;
  made.sysctls = std::move(sysctls);
  made.where = {1, 1};
  return made;
}

}  // namespace nswarden::test
