// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/meant_key.hpp>

#include <variant>
#include <vector>

#include <nswarden/base/text.hpp>
#include <nswarden/os/procfs.hpp>
#include <nswarden/policy/key_pattern.hpp>

namespace nswarden {

std::optional<std::string> meant_key(std::string_view name) {
  const auto parsed = KeyPattern::parse(name);
  const auto* key = std::get_if<KeyPattern>(&parsed);
  if (key == nullptr) return std::nullopt;
  const std::string& path = key->path();
  const std::string last = path.substr(path.rfind('/') + 1);
  std::string directory = path.substr(0, path.rfind('/'));
  if (key->names_interface()) directory.replace(directory.rfind('/') + 1, std::string::npos, "default");
  const std::vector<std::string> names = home_sysctls(directory);
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const auto near = nearest(last, candidates);
  if (!near || *near == last) return std::nullopt;
  return std::string(name.substr(0, name.size() - last.size())) + std::string(*near);
}

}  // namespace nswarden
