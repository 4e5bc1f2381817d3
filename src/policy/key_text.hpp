// SPDX-License-Identifier: Apache-2.0
// The syntax of keys: how a policy writes one, and the path below net that it means. For Key, KeyPattern and the table of keys.
// Pure, any thread.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// What stands in the place of an interface in a path below net, `all` and `default` too: the X of `ipv4/conf/X/key` and
/// `ipv4/neigh/X/key`, a part of `path`; empty for all others.
std::string_view interface_in(std::string_view path);

/// Whether it has a character that means something in a glob.
inline bool has_glob(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

/// The path below net of a key as a policy writes it (Key::parse), with globs as they are; or why it is refused.
std::variant<std::string, Problem> path_of_key(std::string_view text);

/// The dotted form of a path below net.
std::string name_of_key(std::string_view path);

}  // namespace nswarden
