// SPDX-License-Identifier: Apache-2.0
#include "policy/pattern.hpp"

#include <re2/re2.h>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

RE2::Options pattern_options() {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  options.set_dot_nl(true);
  return options;
}

bool matches(const RE2& pattern, std::string_view bytes, RE2::Anchor anchor) {
  return pattern.Match(re2::StringPiece(bytes.data(), bytes.size()), 0, bytes.size(), anchor, nullptr, 0);
}

}  // namespace

std::variant<Pattern, Problem> Pattern::compile(std::string text) {
  if (text.empty()) return Problem{{}, "the pattern is empty; write .* to match everything"};
  auto compiled = std::make_shared<const RE2>(re2::StringPiece(text.data(), text.size()), pattern_options());
  if (compiled->ok()) return Pattern(std::move(text), std::move(compiled));
  // RE2 repeats the pattern in its error, including non-printable characters.
  std::string message = "not a valid RE2 pattern: " + printable(compiled->error());
  const std::string& culprit = compiled->error_arg();
  if (culprit.starts_with("(?=") || culprit.starts_with("(?!") || culprit.starts_with("(?<")) {
    message += "; RE2 has no look-around: match the wanted names here, and list exceptions in exclude:";
  } else if (culprit.size() == 2 && culprit[0] == '\\' && culprit[1] >= '1' && culprit[1] <= '9') {
    message += "; RE2 has no back-references: repeat the part";
  }
  return Problem{{}, std::move(message)};
}

bool Pattern::matches_start(std::string_view bytes) const { return matches(*compiled_, bytes, RE2::ANCHOR_START); }

bool Pattern::matches_whole(std::string_view bytes) const { return matches(*compiled_, bytes, RE2::ANCHOR_BOTH); }

}  // namespace nswarden
