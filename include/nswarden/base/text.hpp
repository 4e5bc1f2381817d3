// SPDX-License-Identifier: Apache-2.0
// Text that people and Prometheus see. Names in /run/netns are bytes (kernel fact 8): newlines, quotes, invalid UTF-8.
// Pure functions, any thread.
#pragma once

#include <charconv>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// `bytes` made safe for a log line, a table or a label value: valid UTF-8 in which control characters (C0, DEL, C1),
/// line and paragraph separators, bidirectional controls, bytes that are no UTF-8, and the backslash itself stand as `\xNN`
/// for each byte. Injective: two different names never print alike.
std::string printable(std::string_view bytes);

/// printable() of a text that has passed it already, such as a name in a URL or in an answer of the API: its backslashes stand for
/// escapes, so that a printable text stays as it is.
std::string printed_text(std::string_view text);

/// printable() of the first 80 bytes, with `...` when there are more: what a message repeats of a text that may be long.
std::string excerpt(std::string_view bytes);

bool is_valid_utf8(std::string_view bytes);

/// Length in bytes of the longest prefix that is valid UTF-8: the place of the first bad byte.
std::size_t valid_utf8_prefix(std::string_view bytes);

/// The candidate nearest to `word` by edit distance (two neighbours swapped count once), for "did you mean"; none when nothing is
/// near (more than a third of the word's length, at least 1, would have to change).
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);

/// `500ms`, `10s`, `5m`, `1h`: one unsigned decimal number without leading zeros and one unit, up to 100 years so that
/// adding it to the time of any clock cannot overflow. Nothing else is a duration.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The shortest form that parse_duration reads back: 10000 ms is "10s".
std::string format_duration(std::chrono::milliseconds duration);

/// The text of an errno value, as of strerror(3).
std::string error_text(int error);

/// "ATTEMPT: REASON", or with a remedy "ATTEMPT: REASON; REMEDY".
std::string text_of(const Error& error, std::string_view remedy = {});

/// Takes off `rest` what is before the first `delimiter`, and the delimiter; all of it where there is none.
std::string_view take_until(std::string_view& rest, char delimiter);

/// `text` with A to Z made small; other bytes stay.
std::string ascii_lower(std::string_view text);

/// What follows the last slash of a path; all of it where there is none.
constexpr std::string_view last_component(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// The whole text as one number without white space, sign or prefix (a minus where T is signed); none where it is not one or does not fit.
template <class T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T number{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number, base);
  return error == std::errc{} && stopped == end ? std::optional(number) : std::nullopt;
}

}  // namespace nswarden
