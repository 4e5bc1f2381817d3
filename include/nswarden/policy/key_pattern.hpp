// SPDX-License-Identifier: Apache-2.0
// A key as written in a policy: exact, or with globs inside components (`*`, `?`, `[a-z]`, `[!a-z]`) as in sysctl.d(5)
// (`net.ipv4.conf.*.rp_filter`). Globs never match a separator. In the interface position a glob matches interfaces only; `all`
// and `default` must be written out. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nswarden/policy/key.hpp>

namespace nswarden {

class KeyPattern {
 public:
  explicit KeyPattern(Key key) : path_(key.path()), exact_(std::move(key)) {}

  /// Parses the syntax of Key::parse() with globs, without a leading `-`. Also refuses globs in the family, unclosed or empty
  /// brackets, and other bracket features of glob(7).
  static std::variant<KeyPattern, Problem> parse(std::string_view text);

  /// Null when the pattern has a glob.
  [[nodiscard]] const Key* exact() const { return exact_ ? &*exact_ : nullptr; }
  /// Relative to /proc/sys/net, with globs.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Dotted, as metrics and reports show it.
  [[nodiscard]] std::string name() const;
  [[nodiscard]] bool matches(const Key& key) const;
  /// Whether it matches keys of interfaces, which appear and vanish with them, by name or by a glob.
  [[nodiscard]] bool names_interface() const;
  /// Whether the interface position has a glob.
  [[nodiscard]] bool globs_interfaces() const;

  /// An interface may be named `*` (kernel fact 31), so a glob never equals an exact key.
  friend bool operator==(const KeyPattern&, const KeyPattern&) = default;
  friend auto operator<=>(const KeyPattern&, const KeyPattern&) = default;  // NOLINT(modernize-use-nullptr): as in key.hpp

 private:
  explicit KeyPattern(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::optional<Key> exact_;
};

/// Whether the glob matches all of `name`, one component.
bool matches_glob(std::string_view glob, std::string_view name);

}  // namespace nswarden
