// SPDX-License-Identifier: Apache-2.0
// HTML in which only our own literals can be markup: whatever comes from outside goes through text() or shown(), which are good
// for content and for quoted attributes alike. Pure, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace nswarden {

class Html {
 public:
  /// Markup: a literal in the source, and nothing else has this type.
  template <std::size_t N>
  Html& raw(const char (&markup)[N]) {
    out_.append(markup, N - 1);
    return *this;
  }
  /// Bytes of others, as printable() shows them everywhere.
  Html& text(std::string_view bytes);
  /// What is printable already.
  Html& shown(std::string_view printable);
  Html& number(std::size_t count);
  /// `3 settings`, `1 setting`: an English noun with a plural in s.
  Html& counted(std::size_t count, std::string_view noun);
  /// A dotted key, which may be broken after its dots.
  Html& key(std::string_view dotted);
  Html& add(Html&& other);

  /// A moment in UTC, to the millisecond: `<time>`.
  Html& moment(double unix_seconds);
  /// The same to the second.
  Html& second(double unix_seconds);
  /// With how long before `now` that was.
  Html& second_and_age(double unix_seconds, double now);

  [[nodiscard]] bool empty() const { return out_.empty(); }
  std::string take() { return std::move(out_); }

 private:
  Html& clock(double unix_seconds, std::size_t digits);

  std::string out_;
};

/// `2026-11-27T14:30:25.123Z`. What is no time of ours (not a number, beyond the year 9999) is the nearest that is.
std::string utc_text(double unix_seconds);

/// `3 s`, `12 min`, `5 h 20 min`, `3 d 4 h`: rounded down. What lies ahead is `0 s`.
std::string age_text(double seconds);

}  // namespace nswarden
