// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/key_pattern.hpp>

#include <algorithm>
#include <utility>

#include "core/key_text.hpp"

namespace nswarden::core {
namespace {

constexpr std::string_view glob_characters = "*?[";

/// The bracket expression at the start of `glob`, without its brackets; none where none ends. A `]` right at its start is one of it.
std::optional<std::string_view> bracket_of(std::string_view glob) {
  const std::size_t begin = glob.size() > 1 && (glob[1] == '!' || glob[1] == '^') ? 2 : 1;
  const std::size_t end = glob.find(']', begin + 1);
  if (end == std::string_view::npos) return std::nullopt;
  return glob.substr(1, end - 1);
}

bool takes(std::string_view set, char c) {
  const bool negated = set[0] == '!' || set[0] == '^';
  if (negated) set.remove_prefix(1);
  bool found = false;
  while (!set.empty()) {
    // A range, or a character, which is a range of one.
    const bool is_range = set.size() >= 3 && set[1] == '-';
    const auto first = static_cast<unsigned char>(set[0]);
    const auto last = static_cast<unsigned char>(is_range ? set[2] : set[0]);
    const auto byte = static_cast<unsigned char>(c);
    found = found || (byte >= first && byte <= last);
    set.remove_prefix(is_range ? 3 : 1);
  }
  return found != negated;
}

/// Takes one character of `name` by the first element of `glob`, which is no star. How long that element is; 0: it does not.
std::size_t takes_one(std::string_view glob, char c) {
  if (glob[0] == '?') return 1;
  if (glob[0] == '[') {
    if (const auto set = bracket_of(glob)) return takes(*set, c) ? set->size() + 2 : 0;
  }
  return glob[0] == c ? 1 : 0;
}

bool has_glob(std::string_view text) { return text.find_first_of(glob_characters) != std::string_view::npos; }

}  // namespace

bool matches_glob(std::string_view glob, std::string_view name) {
  std::size_t g = 0;
  std::size_t n = 0;
  // Where to go on when the last star has to take one more: without that nothing is ever tried twice.
  std::optional<std::pair<std::size_t, std::size_t>> star;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = std::pair(++g, n);
      continue;
    }
    const std::size_t length = g < glob.size() ? takes_one(glob.substr(g), name[n]) : 0;
    if (length > 0) {
      g += length;
      ++n;
    } else if (star) {
      g = star->first;
      n = ++star->second;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == std::string_view::npos;
}

std::variant<KeyPattern, std::string> KeyPattern::parse(std::string_view text) {
  if (!has_glob(text)) {
    auto key = Key::parse(text);
    if (auto* refusal = std::get_if<std::string>(&key)) return std::move(*refusal);
    return KeyPattern(std::get<Key>(std::move(key)));
  }
  auto path = path_of_key(text);
  if (auto* refusal = std::get_if<std::string>(&path)) return std::move(*refusal);
  KeyPath& split = std::get<KeyPath>(path);
  for (std::string_view rest = split.path; !rest.empty(); rest.remove_prefix(std::min(rest.find('/'), rest.size() - 1) + 1)) {
    const std::string_view component = rest.substr(0, rest.find('/'));
    for (std::size_t at = component.find('['); at != std::string_view::npos; at = component.find('[', at + 1)) {
      if (!bracket_of(component.substr(at))) return "a bracket [ is not closed in its component";
    }
  }
  if (has_glob(split.path.substr(0, split.path.find('/')))) return "the first two components, as in net.ipv4, take no wildcards";
  return KeyPattern(std::move(split.path));
}

std::string KeyPattern::name() const { return name_of_key(path_); }

bool KeyPattern::matches(const Key& key) const {
  if (exact_) return *exact_ == key;
  const KeyComponents mine(path_);
  const KeyComponents others(key.path());
  if (mine.size() != others.size()) return false;
  const std::size_t interface = interface_place(others);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const bool is_set_of_all = i == interface && (others[i] == "all" || others[i] == "default");
    if (is_set_of_all ? mine[i] != others[i] : !matches_glob(mine[i], others[i])) return false;
  }
  return true;
}

bool KeyPattern::names_interface() const {
  const KeyComponents components(path_);
  const std::size_t place = interface_place(components);
  return place < components.size() && components[place] != "all" && components[place] != "default";
}

bool KeyPattern::globs_interfaces() const {
  const KeyComponents components(path_);
  const std::size_t place = interface_place(components);
  return place < components.size() && has_glob(components[place]);
}

}  // namespace nswarden::core
