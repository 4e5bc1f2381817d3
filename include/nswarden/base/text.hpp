// SPDX-License-Identifier: Apache-2.0
// Text for people and for Prometheus. Names in /run/netns are bytes (kernel fact 8): newlines, quotes, invalid UTF-8. Pure
// functions, any thread.
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

/// Makes `bytes` safe for a log line, a table or a label value. The result is valid UTF-8. Control characters (C0, DEL, C1),
/// line and paragraph separators, bidirectional controls, invalid UTF-8 bytes and the backslash itself are escaped as `\xNN`
/// per byte. Injective: two different names never print alike.
std::string printable(std::string_view bytes);

/// printable() of a text that is already printable, such as a name in a URL or in an API response. Its backslashes are escapes,
/// so a printable text is returned unchanged.
std::string printed_text(std::string_view text);

/// printable() of the first 80 bytes, followed by `...` if there are more. Messages quote long text with it.
std::string excerpt(std::string_view bytes);

/// Whether `c` is a C0 control character or DEL. Bytes of UTF-8 sequences are not, whether plain char is signed (amd64) or not
/// (arm64).
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

bool is_valid_utf8(std::string_view bytes);

/// Length in bytes of the longest valid UTF-8 prefix: the offset of the first invalid byte.
std::size_t valid_utf8_prefix(std::string_view bytes);

/// The candidate nearest to `word` by edit distance (swapping two neighbours counts once), for "did you mean"; nullopt when
/// every candidate would change more than a third of the word's length, at least 1.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);

/// `500ms`, `10s`, `5m`, `1h`: one unsigned decimal number without leading zeros and one unit, up to 100 years so that adding
/// it to the time of any clock cannot overflow. All other text is invalid.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The shortest form that parse_duration reads back: 10000 ms is "10s".
std::string format_duration(std::chrono::milliseconds duration);

/// The text of an errno value, as in strerror(3).
std::string error_text(int error);

/// "ATTEMPT: REASON", or with a remedy "ATTEMPT: REASON; REMEDY".
std::string text_of(const Error& error, std::string_view remedy = {});

/// Removes from `rest` the part before the first `delimiter` and the delimiter, and returns the part. Without a delimiter,
/// takes all of `rest`.
std::string_view take_until(std::string_view& rest, char delimiter);

/// `text` with A to Z in lower case; other bytes are unchanged.
std::string ascii_lower(std::string_view text);

/// The part of a path after its last slash, or the whole path without a slash.
constexpr std::string_view last_component(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// Parses the whole text as one number without white space, sign or prefix (a minus sign is allowed if T is signed); nullopt if
/// it is not a number or does not fit.
template <class T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T number{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number, base);
  return error == std::errc{} && stopped == end ? std::optional(number) : std::nullopt;
}

}  // namespace nswarden
