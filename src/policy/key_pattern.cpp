// SPDX-License-Identifier: Apache-2.0
#include <nswarden/policy/key_pattern.hpp>

#include <utility>

#include <nswarden/base/text.hpp>
#include "policy/key_text.hpp"

namespace nswarden {
namespace {

/// The bracket expression at the start of `glob`, without its brackets; empty optional when no bracket closes it. A leading `]`
/// is a member.
std::optional<std::string_view> bracket_of(std::string_view glob) {
  const std::size_t begin = glob.size() > 1 && (glob[1] == '!' || glob[1] == '^') ? 2 : 1;
  const std::size_t end = glob.find(']', begin + 1);
  if (end == std::string_view::npos) return std::nullopt;
  return glob.substr(1, end - 1);
}

struct ByteRange {
  unsigned char first = 0;
  unsigned char last = 0;
};

/// Removes and returns the first range of a bracket expression; a single character is a range of one.
ByteRange next_range(std::string_view& set) {
  const bool is_range = set.size() >= 3 && set[1] == '-';
  const ByteRange range{static_cast<unsigned char>(set[0]), static_cast<unsigned char>(set[is_range ? 2 : 0])};
  set.remove_prefix(is_range ? 3 : 1);
  return range;
}

bool is_negated(std::string_view set) { return set[0] == '!' || set[0] == '^'; }

bool takes(std::string_view set, char c) {
  const bool negated = is_negated(set);
  if (negated) set.remove_prefix(1);
  const auto byte = static_cast<unsigned char>(c);
  bool found = false;
  while (!set.empty() && !found) {
    const ByteRange range = next_range(set);
    found = byte >= range.first && byte <= range.last;
  }
  return found != negated;
}

bool has_backward_range(std::string_view set) {
  if (is_negated(set)) set.remove_prefix(1);
  while (!set.empty()) {
    const ByteRange range = next_range(set);
    if (range.last < range.first) return true;
  }
  return false;
}

/// Matches one character of `name` against the first element of `glob`, which is not a star. Returns the element's length, or 0
/// without a match.
std::size_t matched_length(std::string_view glob, char c) {
  if (glob[0] == '?') return 1;
  if (glob[0] == '[') {
    if (const auto set = bracket_of(glob)) return takes(*set, c) ? set->size() + 2 : 0;
  }
  return glob[0] == c ? 1 : 0;
}

/// Why a component's glob means something else than in glob(7).
std::optional<std::string> glob_problem(std::string_view component) {
  if (component.find('\\') != std::string_view::npos) {
    return "a backslash does not escape in a key with wildcards; write [*] for a literal star";
  }
  for (std::size_t at = component.find('['); at != std::string_view::npos; at = component.find('[', at)) {
    const auto set = bracket_of(component.substr(at));
    if (!set) return "a bracket [ is not closed in its component";
    if (set->find("[:") != std::string_view::npos)
      return "character classes such as [:alpha:] are not supported; write ranges such as [a-z]";
    if (has_backward_range(*set))
      return "a range in brackets is empty, because its ends are reversed; write the lower end first";
    at += set->size() + 2;
  }
  return std::nullopt;
}

/// Like interface_in(), for a path with globs: `ipv4/*/X/key` may also be a key of an interface.
std::string_view interface_position(std::string_view path) {
  take_until(path, '/');
  const std::string_view scope = take_until(path, '/');
  const std::string_view place = take_until(path, '/');
  if (path.empty()) return {};
  return matches_glob(scope, "conf") || matches_glob(scope, "neigh") ? place : std::string_view{};
}

}  // namespace

bool matches_glob(std::string_view glob, std::string_view name) {
  std::size_t g = 0;
  std::size_t n = 0;
  // Where to resume when the last star must match one more character. Only the last star is ever retried.
  std::optional<std::pair<std::size_t, std::size_t>> star;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = std::pair(++g, n);
      continue;
    }
    const std::size_t length = g < glob.size() ? matched_length(glob.substr(g), name[n]) : 0;
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

std::variant<KeyPattern, Problem> KeyPattern::parse(std::string_view text) {
  if (!has_glob(text)) {
    auto key = Key::parse(text);
    if (auto* problem = std::get_if<Problem>(&key)) return std::move(*problem);
    return KeyPattern(std::get<Key>(std::move(key)));
  }
  auto path = path_of_key(text);
  if (auto* problem = std::get_if<Problem>(&path)) return std::move(*problem);
  std::string& found = std::get<std::string>(path);
  std::string_view rest = found;
  if (has_glob(take_until(rest, '/')))
    return Problem{{}, "the first two components, such as net.ipv4, must not contain wildcards"};
  while (!rest.empty()) {
    if (auto problem = glob_problem(take_until(rest, '/'))) return Problem{{}, *std::move(problem)};
  }
  return KeyPattern(std::move(found));
}

std::string KeyPattern::name() const { return name_of_key(path_); }

bool KeyPattern::matches(const Key& key) const {
  if (exact_) return *exact_ == key;
  const std::string_view interface = key.interface();
  const bool is_set_of_all = interface == "all" || interface == "default";
  std::string_view own_path = path_;
  std::string_view others = key.path();
  while (!own_path.empty() && !others.empty()) {
    const std::string_view glob = take_until(own_path, '/');
    const std::string_view name = take_until(others, '/');
    const bool is_literal = is_set_of_all && name.data() == interface.data();
    if (is_literal ? glob != name : !matches_glob(glob, name)) return false;
  }
  return own_path.empty() && others.empty();
}

bool KeyPattern::names_interface() const {
  if (exact_) return exact_->names_interface();
  const std::string_view place = interface_position(path_);
  return !place.empty() && place != "all" && place != "default";
}

bool KeyPattern::globs_interfaces() const { return !exact_ && has_glob(interface_position(path_)); }

}  // namespace nswarden
