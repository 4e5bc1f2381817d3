// SPDX-License-Identifier: Apache-2.0
// Accessors for a Response of the routes, used by tests and fuzzers. Pure.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "web/routes.hpp"

namespace nswarden {

/// The value of a header; empty if absent.
inline std::string header(const Response& response, std::string_view name) {
  for (const auto& field : response.headers) {
    if (field.first == name) return field.second;
  }
  return {};
}

/// Decompresses a gzip body; nullopt if it is invalid or exceeds 1 MiB decompressed.
inline std::optional<std::string> unpacked(std::string packed) {
  std::string text(std::size_t{1} << 20U, '\0');
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return std::nullopt;
  const int result = inflate(&stream, Z_FINISH);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return result == Z_STREAM_END ? std::optional(text) : std::nullopt;
}

}  // namespace nswarden
