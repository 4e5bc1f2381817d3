// SPDX-License-Identifier: Apache-2.0
// A key as a policy writes it: exact, or with globs inside components (`*`, `?`, `[a-z]`, `[!a-z]`), as sysctl.d(5) has them
// (`net.ipv4.conf.*.rp_filter`). No glob takes a separator. In the place of an interface a glob takes interfaces only:
// `all` and `default` are meant only where they are written out. Pure, any thread.
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

  /// In the syntax of Key::parse(), with globs; a leading `-` is not part of it.
  /// Refused beside what is no key: globs in the family, brackets that are not closed or hold nothing, and what else glob(7)
  /// has in them.
  static std::variant<KeyPattern, Problem> parse(std::string_view text);

  /// Null where there is a glob in it.
  [[nodiscard]] const Key* exact() const { return exact_ ? &*exact_ : nullptr; }
  /// Relative to /proc/sys/net, globs as they are.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Dotted: how metrics and reports show it.
  [[nodiscard]] std::string name() const;
  [[nodiscard]] bool matches(const Key& key) const;
  /// Whether it stands for keys of interfaces, which come and go with them: one of them, or by a glob.
  [[nodiscard]] bool names_interface() const;
  /// Whether a glob stands in the place of an interface.
  [[nodiscard]] bool globs_interfaces() const;

  /// An interface may be called `*` (kernel fact 31): a glob is never the same as one key.
  friend bool operator==(const KeyPattern&, const KeyPattern&) = default;
  friend auto operator<=>(const KeyPattern&, const KeyPattern&) = default;  // NOLINT(modernize-use-nullptr): as in key.hpp

 private:
  explicit KeyPattern(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::optional<Key> exact_;
};

/// Whether the glob takes the whole of `name`, one component.
bool matches_glob(std::string_view glob, std::string_view name);

}  // namespace nswarden
