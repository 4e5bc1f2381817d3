// SPDX-License-Identifier: Apache-2.0
// Keys as texts and paths, for Key and KeyPattern alone.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nswarden::core {

/// The components of a path.
using KeyComponentList = std::vector<std::string_view>;

class KeyComponents {
 public:
  explicit KeyComponents(std::string_view path);
  [[nodiscard]] std::size_t size() const { return parts_.size(); }
  [[nodiscard]] std::string_view operator[](std::size_t i) const { return parts_[i]; }
  [[nodiscard]] auto begin() const { return parts_.begin(); }
  [[nodiscard]] auto end() const { return parts_.end(); }

 private:
  KeyComponentList parts_;
};

/// Where the interface stands in a path below net: the X of `ipv4/conf/X/key` and `ipv4/neigh/X/key`; size() for all others.
std::size_t interface_place(const KeyComponents& path);

struct KeyPath {
  std::string path;  ///< below net, separators as in a path
};
/// The path of a key as a policy writes it (Key::parse), with globs as they are. The string is the reason for a refusal.
std::variant<KeyPath, std::string> path_of_key(std::string_view text);

/// The dotted form of a path below net.
std::string name_of_key(std::string_view path);

}  // namespace nswarden::core
