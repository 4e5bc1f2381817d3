// SPDX-License-Identifier: Apache-2.0
// HTTP content coding (RFC 9110, 12.5.3): negotiates and applies gzip. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace nswarden {

/// Whether an Accept-Encoding field requests gzip, by name or by `*`, with a weight above 0. An empty (absent) field does
/// not.
bool wants_gzip(std::string_view accept_encoding);

/// Throws std::runtime_error if zlib fails.
std::string gzip(std::string_view text);

}  // namespace nswarden
