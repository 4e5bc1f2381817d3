// SPDX-License-Identifier: Apache-2.0
// A regular expression of a policy (RE2), compiled once. Names and values are bytes: each byte is a character, and `.` takes a
// newline, or else a name that is no UTF-8 escapes every policy (kernel fact 8). Immutable, any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include <nswarden/base/result.hpp>

namespace re2 {
class RE2;
}

namespace nswarden {

class Pattern {
 public:
  /// A refusal has no place yet; it names the remedy for what RE2 lacks. Refused too: an empty text.
  static std::variant<Pattern, Problem> compile(std::string text);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// Of names of netns and interfaces: `qrouter` also takes `qrouter-x`.
  [[nodiscard]] bool matches_start(std::string_view bytes) const;
  /// Of values.
  [[nodiscard]] bool matches_whole(std::string_view bytes) const;

  friend bool operator==(const Pattern& a, const Pattern& b) { return a.text_ == b.text_; }

 private:
  Pattern(std::string text, std::shared_ptr<const re2::RE2> compiled)
      : text_(std::move(text)), compiled_(std::move(compiled)) {}

  std::string text_;
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace nswarden
