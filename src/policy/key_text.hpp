// SPDX-License-Identifier: Apache-2.0
// Keys as texts and paths, for what lies behind Key, KeyPattern and the table of keys.
#pragma once

#include <string>
#include <string_view>
#include <variant>

namespace nswarden {

/// Takes the next component of a path off the front of `rest`, and the slash behind it.
std::string_view next_component(std::string_view& rest);

/// What stands in the place of an interface in a path below net, `all` and `default` too: the X of `ipv4/conf/X/key` and
/// `ipv4/neigh/X/key`, a part of `path`; empty for all others.
std::string_view interface_in(std::string_view path);

/// Whether it has a character that means something in a glob.
inline bool has_glob(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

struct KeyPath {
  std::string path;  ///< below net, separators as in a path
};
/// The path of a key as a policy writes it (Key::parse), with globs as they are. The string is the reason for a refusal.
std::variant<KeyPath, std::string> path_of_key(std::string_view text);

/// The dotted form of a path below net.
std::string name_of_key(std::string_view path);

}  // namespace nswarden
