// SPDX-License-Identifier: Apache-2.0
// Content coding of HTTP (RFC 9110, 12.5.3): whether a client wants gzip, and the coding itself. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace nswarden {

/// Whether an Accept-Encoding field asks for gzip, by name or by `*`, with a weight above 0. Absent (empty): no.
bool wants_gzip(std::string_view accept_encoding);

/// Throws std::runtime_error when zlib cannot.
std::string gzip(std::string_view text);

}  // namespace nswarden
