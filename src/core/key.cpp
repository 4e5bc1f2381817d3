// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/key.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace nswarden::core {
namespace {

/// Longer than any key can be (an interface name has 15 bytes), and what one directory entry may have.
constexpr std::size_t longest_key = 255;

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> components;
  while (true) {
    const std::size_t slash = path.find('/');
    components.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return components;
    path.remove_prefix(slash + 1);
  }
}

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
std::optional<std::string> text_problem(std::string_view text) {
  if (text.empty()) return "the key is empty";
  if (text.size() > longest_key) return "the key is longer than 255 bytes";
  if (text.find('\0') != std::string_view::npos) return "the key has a NUL byte in it";
  if (std::any_of(text.begin(), text.end(), is_white_or_control)) {
    return "the key has white space or a control character in it";
  }
  if (text[0] == '-') return "a leading '-' is not supported by this version";
  if (text.find_first_of("*?[") != std::string_view::npos) {
    return "wildcards (* ? [) are not supported by this version; name each key";
  }
  if (text.starts_with("/proc/sys/")) return "write the key without /proc/sys/, as net.ipv4.ip_forward";
  if (text[0] == '/' || text[0] == '.') {
    return "a key does not start with a separator; write it as net.ipv4.ip_forward";
  }
  return std::nullopt;
}

/// Kernel fact 25: a prefix test is not enough, each component counts.
std::optional<std::string> path_problem(const std::vector<std::string_view>& components) {
  if (components[0] != "net") return "only keys below net are set, because only they belong to a netns";
  for (const std::string_view component : components) {
    if (component.empty()) return "the key has an empty component: two separators in a row, or one at its end";
    if (component == "." || component == "..") return "the key has a component '.' or '..'";
  }
  if (components.size() < 3) return "the key is too short: it names a directory; write it as net.ipv4.ip_forward";
  return std::nullopt;
}

/// The third component of `ipv4/conf/X/key` or `ipv4/neigh/X/key`; empty for all other keys.
std::string_view interface_of(std::string_view path) {
  const std::vector<std::string_view> components = split(path);
  const bool scoped = components.size() >= 4 && (components[1] == "conf" || components[1] == "neigh");
  return scoped ? components[2] : std::string_view{};
}

}  // namespace

std::variant<Key, std::string> Key::parse(std::string_view text) {
  if (auto problem = text_problem(text)) return *std::move(problem);
  std::string path(text);
  const std::size_t separator = path.find_first_of("./");
  if (separator != std::string::npos && path[separator] == '.') swap_separators(path);
  if (auto problem = path_problem(split(path))) return *std::move(problem);
  std::string name = path;
  swap_separators(name);
  path.erase(0, std::string_view("net/").size());
  return Key(std::move(path), std::move(name));
}

WriteRank Key::write_rank() const {
  const std::string_view interface = interface_of(path_);
  if (interface.empty()) return WriteRank::plain;
  if (interface == "all") return WriteRank::conf_all;
  return interface == "default" ? WriteRank::conf_default : WriteRank::conf_interface;
}

bool Key::names_interface() const { return write_rank() == WriteRank::conf_interface; }

bool Key::is_secret() const { return path_.ends_with("/tcp_fastopen_key") || path_.ends_with("/stable_secret"); }

bool Key::needs_entering() const {
  return path_.starts_with("sctp/") || path_.starts_with("mptcp/") || path_.starts_with("rds/");
}

bool Key::waits_for_rtnl() const {
  // Tried with every key of Linux 6.18 (tests/netns/slow_writer_test.cpp); mpls, which was not there, by its source.
  constexpr std::array<std::string_view, 8> of_ipv6{"addr_gen_mode",    "disable_ipv6", "disable_policy",
                                                    "force_forwarding", "forwarding",   "ignore_routes_with_linkdown",
                                                    "proxy_ndp",        "stable_secret"};
  if (path_ == "ipv4/ip_forward" || path_ == "mpls/platform_labels") return true;
  std::string_view setting = path_;
  setting.remove_prefix(setting.rfind('/') + 1);
  if (path_.starts_with("ipv4/conf/")) return setting == "forwarding";
  return path_.starts_with("ipv6/conf/") && std::find(of_ipv6.begin(), of_ipv6.end(), setting) != of_ipv6.end();
}

}  // namespace nswarden::core
