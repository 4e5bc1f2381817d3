// SPDX-License-Identifier: Apache-2.0
// The input is one key of a policy, with or without globs, or a glob and a name separated by a newline. An accepted key
// becomes a path below /proc/sys/net that root writes.
#include <nswarden/policy/key_pattern.hpp>
#include <nswarden/policy/key_traits.hpp>

#include "oracle.hpp"

using namespace nswarden;

namespace {

void check_path(std::string_view path) {
  fuzz::require(path.find('\0') == std::string_view::npos, "no NUL in a path", path);
  fuzz::require(path.find('/') != std::string_view::npos, "a path names more than a family", path);
  fuzz::require(!path.ends_with('/'), "a path ends with a name", path);
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view component = fuzz::next_part(rest, '/');
    fuzz::require(!component.empty() && component != "." && component != "..", "each component goes down", path);
  }
}

void check_reads_back(std::string_view spelling, const Key& key) {
  auto again = Key::parse(spelling);
  const Key* read = std::get_if<Key>(&again);
  fuzz::require(read != nullptr && *read == key, "a key is read back from what is shown of it", spelling);
}

void check_key(std::string_view text, const Key& key) {
  fuzz::require(text.starts_with("net.") || text.starts_with("net/"), "only keys below net are accepted", text);
  check_path(key.path());
  check_reads_back(key.name(), key);
  check_reads_back("net/" + key.path(), key);
  fuzz::require(text == key.name() || text == "net/" + key.path(), "what is accepted is one of the two spellings", text);
  fuzz::require(key.names_interface() == (key.write_rank() == WriteRank::conf_interface), "ranks and interfaces agree", text);
  fuzz::require(Key::at(key.path()) == key, "a key that may be written may be found", text);
  const bool is_secret = key.path().ends_with("/stable_secret") || key.path().ends_with("/tcp_fastopen_key");
  fuzz::require(!is_secret || key.is_secret(), "secrets are known by their names", text);
}

void check_pattern(std::string_view text, const KeyPattern& pattern) {
  check_path(pattern.path());
  for (const std::string& spelling : {pattern.name(), "net/" + pattern.path()}) {
    const auto again = KeyPattern::parse(spelling);
    const KeyPattern* read = std::get_if<KeyPattern>(&again);
    fuzz::require(read != nullptr && *read == pattern, "a pattern is read back from what is shown of it", text);
  }
  const bool has_glob = text.find_first_of("*?[") != std::string_view::npos;
  fuzz::require(has_glob == (pattern.exact() == nullptr), "a key without globs is exact", text);
  if (const Key* exact = pattern.exact()) {
    fuzz::require(pattern.matches(*exact), "a key takes itself", text);
    fuzz::require(pattern.names_interface() == exact->names_interface(), "a key is of an interface, or not", text);
  }
  (void)traits_of(pattern.path());
  for (const char* path : {"ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter", "ipv6/neigh/default/gc_thresh1"}) {
    const Key key = *Key::at(path);
    if (!pattern.matches(key)) continue;
    const std::string wanted = "/" + std::string(key.interface()) + "/";
    fuzz::require(pattern.path().find(wanted) != std::string::npos, "all and default are written out", text);
  }
}

/// Reference matcher by exhaustive search, for short globs without brackets.
bool matches_slowly(std::string_view glob, std::string_view name) {
  if (glob.empty()) return name.empty();
  if (glob[0] == '*') return matches_slowly(glob.substr(1), name) || (!name.empty() && matches_slowly(glob, name.substr(1)));
  return !name.empty() && (glob[0] == '?' || glob[0] == name[0]) && matches_slowly(glob.substr(1), name.substr(1));
}

void check_glob(std::string_view glob, std::string_view name) {
  const bool matched = matches_glob(glob, name);
  if (glob.find('[') == std::string_view::npos && glob.size() + name.size() < 16) {
    fuzz::require(matched == matches_slowly(glob, name), "a star takes what it can", glob);
  }
  fuzz::require(!matched || matches_glob(std::string(glob) + "*", name), "a star more takes no less", glob);
  fuzz::require(matches_glob("*", name), "a star takes everything", name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  std::string_view name = text;
  const std::string_view glob = fuzz::next_part(name, '\n');
  check_glob(glob, name);

  const auto pattern = KeyPattern::parse(text);
  const auto* taken = std::get_if<KeyPattern>(&pattern);
  if (taken == nullptr) {
    fuzz::require(fuzz::is_one_line(std::get<Problem>(pattern).message), "a refusal is one line", text);
  } else {
    check_pattern(text, *taken);
  }
  const auto parsed = Key::parse(text);
  if (const auto* problem = std::get_if<Problem>(&parsed)) {
    fuzz::require(fuzz::is_one_line(problem->message), "a refusal is one line", problem->message);
    fuzz::require(taken == nullptr || taken->exact() == nullptr, "what is no key is no exact pattern", text);
    return 0;
  }
  fuzz::require(taken != nullptr && taken->exact() != nullptr, "a key is a pattern too", text);
  check_key(text, *std::get_if<Key>(&parsed));
  return 0;
}
