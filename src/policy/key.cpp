// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/key.hpp>

#include <nswarden/base/text.hpp>
#include <nswarden/policy/key_traits.hpp>
#include "policy/key_text.hpp"

namespace nswarden {

std::variant<Key, Problem> Key::parse(std::string_view text) {
  auto path = path_of_key(text);
  if (auto* problem = std::get_if<Problem>(&path)) return std::move(*problem);
  std::string& found = std::get<std::string>(path);
  if (has_glob(found)) return Problem{{}, "wildcards (* ? [) are not allowed here; name one key"};
  return Key(std::move(found));
}

std::optional<Key> Key::at(std::string_view path) {
  if (path.find('\0') != std::string_view::npos || path.find('/') == std::string_view::npos || path.ends_with('/')) {
    return std::nullopt;
  }
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view component = take_until(rest, '/');
    if (component.empty() || component == "." || component == "..") return std::nullopt;
  }
  return Key(std::string(path));
}

std::string Key::name() const { return name_of_key(path_); }

std::string_view Key::interface() const { return interface_in(path_); }

WriteRank Key::write_rank() const {
  const std::string_view named = interface();
  if (named.empty()) return WriteRank::plain;
  if (named == "all") return WriteRank::conf_all;
  return named == "default" ? WriteRank::conf_default : WriteRank::conf_interface;
}

bool Key::names_interface() const { return write_rank() == WriteRank::conf_interface; }

bool Key::is_secret() const { return traits_of(path_).secret; }

bool Key::needs_entering() const { return traits_of(path_).needs_entering; }

bool Key::waits_for_rtnl() const { return traits_of(path_).waits_for_rtnl; }

}  // namespace nswarden
