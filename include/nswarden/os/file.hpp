// SPDX-License-Identifier: Apache-2.0
// Reads whole files, safely for any path that an admin gives, and replaces them so that no reader sees one half written. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// The whole of a regular file, following links. ENOENT, EACCES, ... as open gives them; EISDIR for a directory, EINVAL for
/// anything else that is not a regular file (it never hangs on a FIFO), EFBIG when there are more than `max_bytes`.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

/// The text of a symbolic link, unresolved; empty when it cannot be read.
std::string target_of_link(const std::string& path);

/// Puts a file with this content, for its owner alone (mode 0600), in the place of any file at `path`. It is written beside it
/// first, as `path`.new, which is replaced if it is there and never followed. Readers see the old one or the new one whole. It is
/// not forced to the disk: a machine that loses power has the old one, the new one, or a damaged one. After an error the old one is
/// as it was.
Result<void> replace_file(const std::string& path, std::string_view content);

/// Renames it to `path` and `suffix`, in the place of any file there.
Result<void> move_aside(const std::string& path, std::string_view suffix);

}  // namespace nswarden
