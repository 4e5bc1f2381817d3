// SPDX-License-Identifier: Apache-2.0
// Helpers of the fuzz targets: an oracle that names the broken promise, and functions that split an input. A target keeps no
// state between inputs, so that one file reproduces a finding.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nswarden/base/text.hpp>

namespace nswarden::fuzz {

/// Aborts when `holds` is false; libFuzzer keeps the input.
inline void require(bool holds, const char* promise, std::string_view about = {}) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s: %s\n", promise, printable(about).c_str());
  std::abort();
}

/// Removes and returns the part before the first `separator`, or everything.
inline std::string_view next_part(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

/// Whether a message is safe for log lines and terminals: one line of valid UTF-8 without control or invisible characters.
/// Backslashes are ignored since printable() adds them as escapes.
inline bool is_one_line(std::string_view message) {
  std::string bare(message);
  bare.erase(std::remove(bare.begin(), bare.end(), '\\'), bare.end());
  return !bare.empty() && printable(bare) == bare;
}

/// The input as a string view.
inline std::string_view input(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace nswarden::fuzz
