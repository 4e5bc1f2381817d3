// SPDX-License-Identifier: Apache-2.0
#include "policy/key_text.hpp"

#include <algorithm>
#include <optional>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

/// Longer than any existing key (an interface name has 15 bytes); 255 is also the limit of a directory entry.
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

bool is_white_or_control(char c) { return c == ' ' || is_control(c); }

/// Checks the raw text, before dots and slashes are interpreted.
std::optional<std::string> key_text_problem(std::string_view text) {
  if (text.empty()) return "the key is empty";
  if (text.size() > longest_key) return "the key is longer than 255 bytes";
  if (text.find('\0') != std::string_view::npos) return "the key contains a NUL byte";
  if (std::any_of(text.begin(), text.end(), is_white_or_control)) {
    return "the key contains white space or a control character";
  }
  if (text[0] == '-') return "a leading '-' is not allowed here; remove it";
  if (text.starts_with("/proc/sys/")) return "write the key without /proc/sys/, for example net.ipv4.ip_forward";
  if (text[0] == '/' || text[0] == '.') {
    return "the key starts with a separator; write for example net.ipv4.ip_forward";
  }
  return std::nullopt;
}

/// Kernel fact 25: a prefix test is not enough; each component is checked.
std::optional<std::string> path_problem(std::string_view path) {
  if (path.substr(0, path.find('/')) != "net") return "only keys below net are supported, because only they belong to a netns";
  if (path.ends_with('/')) return "the key has an empty component: a separator at its end";
  std::size_t count = 0;
  for (std::string_view rest = path; !rest.empty(); ++count) {
    const std::string_view component = take_until(rest, '/');
    if (component.empty()) return "the key has an empty component: two separators in a row";
    if (component == "." || component == "..") return "the key has a component '.' or '..'";
  }
  if (count < 3) return "the key is too short: it names a directory; write for example net.ipv4.ip_forward";
  return std::nullopt;
}

}  // namespace

std::string_view interface_in(std::string_view path) {
  take_until(path, '/');
  const std::string_view scope = take_until(path, '/');
  if (scope != "conf" && scope != "neigh") return {};
  const std::string_view interface = take_until(path, '/');
  return path.empty() ? std::string_view{} : interface;
}

std::variant<std::string, Problem> path_of_key(std::string_view text) {
  if (auto problem = key_text_problem(text)) return Problem{{}, *std::move(problem)};
  std::string path(text);
  const std::size_t separator = path.find_first_of("./");
  if (separator != std::string::npos && path[separator] == '.') swap_separators(path);
  if (auto problem = path_problem(path)) return Problem{{}, *std::move(problem)};
  path.erase(0, std::string_view("net/").size());
  return path;
}

std::string name_of_key(std::string_view path) {
  std::string name(path);
  swap_separators(name);
  return "net." + name;
}

}  // namespace nswarden
