// SPDX-License-Identifier: Apache-2.0
// Syntax of keys: the form in policies and the path below net. Used by Key, KeyPattern and the table of keys. Pure, any thread.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// The component in the interface position of a path below net, including `all` and `default`: the X of `ipv4/conf/X/key` and
/// `ipv4/neigh/X/key`. A view into `path`; empty for other keys.
std::string_view interface_in(std::string_view path);

/// Whether the text has a glob metacharacter.
inline bool has_glob(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

/// Converts a key in a policy's syntax (Key::parse) to the path below net, leaving globs as they are, or returns why it is
/// refused.
std::variant<std::string, Problem> path_of_key(std::string_view text);

/// The dotted form of a path below net.
std::string name_of_key(std::string_view path);

}  // namespace nswarden
