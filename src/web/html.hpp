// SPDX-License-Identifier: Apache-2.0
// HTML builder in which only source literals can be markup: external bytes pass through text() or shown(), which are safe in
// content and in quoted attributes. Pure, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace nswarden {

class Html {
 public:
  /// Appends markup. Only source literals have this type.
  template <std::size_t N>
  Html& raw(const char (&markup)[N]) {
    out_.append(markup, N - 1);
    return *this;
  }
  /// Appends external bytes as printable() shows them everywhere.
  Html& text(std::string_view bytes);
  /// Appends text that is already printable.
  Html& printable_text(std::string_view printable);
  Html& number(std::size_t count);
  /// `3 settings`, `1 setting`: an English noun with a plural in s.
  Html& counted(std::size_t count, std::string_view noun);
  /// A dotted key, with line breaks allowed after its dots.
  Html& key(std::string_view dotted);
  Html& add(Html&& other);

  /// A UTC time with milliseconds in a `<time>` element.
  Html& moment(double unix_seconds);
  /// The same with seconds.
  Html& second(double unix_seconds);
  /// The same with its age at `now`.
  Html& second_and_age(double unix_seconds, double now);

  [[nodiscard]] bool empty() const { return out_.empty(); }
  std::string take() { return std::move(out_); }

 private:
  Html& clock(double unix_seconds, std::size_t digits);

  std::string out_;
};

/// `2026-11-27T14:30:25.123Z`. Values out of range (not a number, beyond the year 9999) become the nearest valid time.
std::string utc_text(double unix_seconds);

/// `3 s`, `12 min`, `5 h 20 min`, `3 d 4 h`: rounded down. A future time is `0 s`.
std::string age_text(double seconds);

}  // namespace nswarden
