// SPDX-License-Identifier: Apache-2.0
// The input is a pattern, a newline, and netns names separated by slashes. A name may contain any bytes but NUL and slash
// (kernel fact 8), and no name may escape the policies: matching is bytewise, anchored at the start, and takes bounded time.
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <nswarden/policy/policy.hpp>

#include "oracle.hpp"

using namespace nswarden;

namespace {

std::optional<std::string> problem_of(const std::string& pattern) {
  auto compiled = Pattern::compile(pattern);
  if (auto* problem = std::get_if<Problem>(&compiled)) return std::move(problem->message);
  return std::nullopt;
}

/// Whether a policy with this pattern matches the name; false if the pattern does not compile.
bool matches(const std::string& pattern, std::string_view name) {
  auto compiled = Pattern::compile(pattern);
  if (!std::holds_alternative<Pattern>(compiled)) return false;
  Config config;
  config.policies.emplace_back().netns.push_back(std::get<Pattern>(std::move(compiled)));
  const PolicySet policies(config, PolicySet::Audit::as_configured);
  const std::array names{NetnsName{name}};
  return !policies.match(names).empty();
}

bool is_literal(std::string_view pattern) {
  return pattern.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
         std::string_view::npos;
}

/// Escapes the name's bytes one by one as Latin1.
std::string quoted(std::string_view name) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<std::uint8_t>(c);
    out += "\\x";
    out += digits[byte >> 4U];
    out += digits[byte & 0xFU];
  }
  return out;
}

void check_bytes(std::string_view name) {
  fuzz::require(matches(".*", name), ".* takes every name", name);
  const std::string length = std::to_string(name.size());
  fuzz::require(matches(".{" + length + "}\\z", name), "a dot takes one byte, whatever it is", name);
  fuzz::require(matches(quoted(name) + "\\z", name), "a byte takes itself", name);
  fuzz::require(!matches(quoted(name) + ".", name), "nothing comes after the last byte", name);
}

void check_match(const std::string& pattern, const std::string& wrapped, std::string_view name) {
  const bool matched = matches(pattern, name);
  // An unclosed \Q quotes the parenthesis too, so the wrapped pattern may be invalid.
  if (!problem_of(wrapped)) fuzz::require(matched == matches(wrapped, name), "a match is at the start", pattern);
  if (is_literal(pattern)) fuzz::require(matched == name.starts_with(pattern), "letters take themselves", pattern);
  // Without $, \z, \b and the like, text after a match cannot invalidate it.
  if (matched && pattern.find_first_of("$\\") == std::string::npos) {
    fuzz::require(matches(pattern, std::string(name) + "\xff"), "a match is of a beginning, not of the whole", pattern);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::input(data, size);
  const std::string pattern(fuzz::next_part(rest, '\n'));
  const auto problem = problem_of(pattern);
  fuzz::require(problem == problem_of(pattern), "a pattern is judged alike each time", pattern);
  if (problem) fuzz::require(fuzz::is_one_line(*problem), "a refusal is one line", *problem);
  const std::string wrapped = "\\A(?:" + pattern + ")";
  for (int count = 0; count < 4 && !rest.empty(); ++count) {
    const std::string_view name = fuzz::next_part(rest, '/').substr(0, 255);
    if (!problem) check_match(pattern, wrapped, name);
    if (count == 0) check_bytes(name);
  }
  return 0;
}
