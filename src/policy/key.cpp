// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/key.hpp>

#include <algorithm>
#include <optional>

#include <nswarden/policy/key_traits.hpp>

#include "policy/key_text.hpp"

namespace nswarden {
namespace {

/// Longer than any key can be (an interface name has 15 bytes), and what one directory entry may have.
constexpr std::size_t longest_key = 255;

void swap_separators(std::string& text) {
  for (char& c : text) {
    if (c == '.') {
      c = '/';
    } else if (c == '/') {
      c = '.';
    }
  }
}

bool is_white_or_control(char c) { return (c >= 0 && c <= ' ') || c == '\x7f'; }

/// What is wrong with the text as it stands, before its separators are told apart.
std::optional<std::string> key_text_problem(std::string_view text) {
  if (text.empty()) return "the key is empty";
  if (text.size() > longest_key) return "the key is longer than 255 bytes";
  if (text.find('\0') != std::string_view::npos) return "the key has a NUL byte in it";
  if (std::any_of(text.begin(), text.end(), is_white_or_control)) {
    return "the key has white space or a control character in it";
  }
  if (text[0] == '-') return "a leading '-' has no meaning here; write the key without";
  if (text.starts_with("/proc/sys/")) return "write the key without /proc/sys/, as net.ipv4.ip_forward";
  if (text[0] == '/' || text[0] == '.') {
    return "a key does not start with a separator; write it as net.ipv4.ip_forward";
  }
  return std::nullopt;
}

/// Kernel fact 25: a prefix test is not enough, each component counts.
std::optional<std::string> path_problem(std::string_view path) {
  if (path.substr(0, path.find('/')) != "net") return "only keys below net are set, because only they belong to a netns";
  if (path.ends_with('/')) return "the key has an empty component: a separator at its end";
  std::size_t count = 0;
  for (std::string_view rest = path; !rest.empty(); ++count) {
    const std::string_view component = next_component(rest);
    if (component.empty()) return "the key has an empty component: two separators in a row";
    if (component == "." || component == "..") return "the key has a component '.' or '..'";
  }
  if (count < 3) return "the key is too short: it names a directory; write it as net.ipv4.ip_forward";
  return std::nullopt;
}

}  // namespace

std::string_view next_component(std::string_view& rest) {
  const std::string_view component = rest.substr(0, rest.find('/'));
  rest.remove_prefix(std::min(component.size() + 1, rest.size()));
  return component;
}

std::string_view interface_in(std::string_view path) {
  next_component(path);
  const std::string_view scope = next_component(path);
  if (scope != "conf" && scope != "neigh") return {};
  const std::string_view interface = next_component(path);
  return path.empty() ? std::string_view{} : interface;
}

std::variant<KeyPath, std::string> path_of_key(std::string_view text) {
  if (auto problem = key_text_problem(text)) return *std::move(problem);
  std::string path(text);
  const std::size_t separator = path.find_first_of("./");
  if (separator != std::string::npos && path[separator] == '.') swap_separators(path);
  if (auto problem = path_problem(path)) return *std::move(problem);
  path.erase(0, std::string_view("net/").size());
  return KeyPath{std::move(path)};
}

std::string name_of_key(std::string_view path) {
  std::string name(path);
  swap_separators(name);
  return "net." + name;
}

std::variant<Key, std::string> Key::parse(std::string_view text) {
  auto path = path_of_key(text);
  if (auto* refusal = std::get_if<std::string>(&path)) return std::move(*refusal);
  std::string& found = std::get<KeyPath>(path).path;
  if (has_glob(found)) return "wildcards (* ? [) are not meant here; name one key";
  return Key(std::move(found));
}

std::optional<Key> Key::at(std::string_view path) {
  if (path.find('\0') != std::string_view::npos || path.find('/') == std::string_view::npos || path.ends_with('/')) {
    return std::nullopt;
  }
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view component = next_component(rest);
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
