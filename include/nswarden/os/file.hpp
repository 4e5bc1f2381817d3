// SPDX-License-Identifier: Apache-2.0
// Reads a file that an admin named, whatever it turns out to be. Any thread.
#pragma once

#include <cstddef>
#include <string>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// The whole of a regular file, following links. ENOENT, EACCES, ... as open gives them; EISDIR for a directory, EINVAL for
/// anything else that is no regular file (it never hangs on a FIFO), EFBIG when there are more than `max_bytes`.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

}  // namespace nswarden
