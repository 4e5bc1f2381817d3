// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: an oracle that names the promise that was broken, and ways to cut an input into parts.
// A target keeps nothing from one input to the next, so that one file is all it takes to see a finding again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nswarden/base/text.hpp>

namespace nswarden::fuzz {

/// Dies when `holds` is false; libFuzzer keeps the input.
inline void require(bool holds, const char* promise, std::string_view about = {}) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s: %s\n", promise, printable(about).c_str());
  std::abort();
}

/// Cuts off what stands before the first `separator`, or everything.
inline std::string_view next_part(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

/// Text for a log line or a terminal: valid UTF-8 on one line in which nothing moves or hides. The backslash is what
/// printable() leaves behind where it was needed.
inline bool is_one_line(std::string_view message) {
  std::string bare(message);
  bare.erase(std::remove(bare.begin(), bare.end(), '\\'), bare.end());
  return !bare.empty() && printable(bare) == bare;
}

/// The bytes of one input.
inline std::string_view input(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace nswarden::fuzz
