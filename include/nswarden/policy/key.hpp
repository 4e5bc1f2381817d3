// SPDX-License-Identifier: Apache-2.0
// A validated sysctl key of a netns. It never leads outside net/ (kernel fact 25). Pure, any thread.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Write order of keys. `conf.all` overwrites `conf.default` and interfaces, `ip_forward` overwrites `conf.*`, and
/// `conf.default` overwrites some interfaces (kernel facts 27 and 44).
enum class WriteRank { plain, conf_all, conf_default, conf_interface };

class Key {
 public:
  /// Parses the syntax of sysctl.d(5). When the first separator is a dot, dots separate and a slash is a dot inside a component
  /// (`net.ipv4.conf.eth0/100.rp_filter`); when it is a slash, slashes separate and dots are literal
  /// (`net/ipv4/conf/eth0.100/rp_filter`). Refuses keys outside `net`, fewer than three components, an empty component, `.`,
  /// `..`, NUL, white space and control bytes. The problem has no position.
  static std::variant<Key, Problem> parse(std::string_view text);

  /// A key found in a netns, by its path below net. Interfaces may have hostile names (kernel fact 31), so every byte is
  /// literal. Empty optional for a path that could lead elsewhere.
  static std::optional<Key> at(std::string_view path);

  /// Relative to /proc/sys/net: "ipv4/conf/eth0.100/rp_filter". Never absolute, never with `.` or `..` components.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Dotted, as parse() accepts it and metrics show it: "net.ipv4.conf.eth0/100.rp_filter".
  [[nodiscard]] std::string name() const;
  /// The component in the interface position, including `all` and `default`; empty for other keys.
  [[nodiscard]] std::string_view interface() const;

  [[nodiscard]] WriteRank write_rank() const;
  /// True for conf/ and neigh/ keys of one interface, which appear and vanish with it; false for `all` and `default`.
  [[nodiscard]] bool names_interface() const;
  /// True for files of mode 0600 (kernel fact 29): tcp_fastopen_key, stable_secret. Their values are never shown.
  [[nodiscard]] bool is_secret() const;
  /// True for families whose handlers use the caller's netns before Linux 6.13 (kernel fact 14): sctp, mptcp, rds.
  [[nodiscard]] bool needs_entering() const;
  /// True when a write that changes the value waits for RTNL (kernel fact 23): 100 ms or more while another process changes
  /// interfaces in any netns.
  [[nodiscard]] bool waits_for_rtnl() const;

  friend bool operator==(const Key&, const Key&) = default;
  friend auto operator<=>(const Key&, const Key&) = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14, of its `< 0`

 private:
  explicit Key(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

/// First component of a path below net, such as "ipv4".
constexpr std::string_view family_of(std::string_view path) { return path.substr(0, path.find('/')); }

}  // namespace nswarden
