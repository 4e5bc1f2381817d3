// SPDX-License-Identifier: Apache-2.0
// A compiled regular expression (RE2) of a policy. Names and values are bytes: each byte is one character, and `.` matches a
// newline. Otherwise a name that is not UTF-8 would escape every policy (kernel fact 8). Immutable, any thread.
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
  /// Refuses an empty text and anything that RE2 refuses. The problem has no position; it names the remedy for features that
  /// RE2 lacks.
  static std::variant<Pattern, Problem> compile(std::string text);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// For names of netns and interfaces: `qrouter` also matches `qrouter-x`.
  [[nodiscard]] bool matches_start(std::string_view bytes) const;
  /// For values.
  [[nodiscard]] bool matches_whole(std::string_view bytes) const;

  friend bool operator==(const Pattern& a, const Pattern& b) { return a.text_ == b.text_; }

 private:
  Pattern(std::string text, std::shared_ptr<const re2::RE2> compiled)
      : text_(std::move(text)), compiled_(std::move(compiled)) {}

  std::string text_;
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace nswarden
