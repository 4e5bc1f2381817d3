// SPDX-License-Identifier: Apache-2.0
// Files and folders. Reads a file whole, safely for any path that an administrator gives. Files that the daemon acts on with
// all its privileges are read only if no other user may write them. Replaces files so that a reader never sees a partial one.
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

/// Reads a whole regular file, following links. ENOENT, EACCES, ... as from open; EISDIR for a directory, EINVAL for any other
/// file that is not regular (a FIFO never blocks it), EFBIG above `max_bytes`.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

/// Other users may write a file or its folder. `reason` names them and the remedy.
struct Distrusted {
  std::string reason;
};
/// Like read_file(). Distrusted if a user besides root and the daemon's may write or replace the file, by its mode or owner or
/// by those of its folder; a sticky folder of root is accepted. Files on a mount that is read-only here (a ConfigMap) are
/// trusted.
std::variant<std::string, Distrusted, Error> read_trusted_file(const std::string& path, std::size_t max_bytes);
/// The names in a folder, without `.` and `..`. ENOTDIR if it is not a folder. Distrusted if other users may add to it.
std::variant<std::vector<std::string>, Distrusted, Error> list_trusted_folder(const std::string& path);

/// Opens for reading; on failure the Fd is empty and errno is set.
Fd open_directory(const std::string& path);
/// Calls `take` with the name and the type (DT_DIR, ...) of each remaining entry of an open directory, without `.` and `..`.
using TakeEntry = std::function<void(const char* name, unsigned char type)>;
Result<void> read_directory(int directory, std::string_view attempt, const TakeEntry& take);
/// Whether `name` is `.` or `..`, which every directory has.
constexpr bool is_dots(std::string_view name) { return name == "." || name == ".."; }

/// The folder part of a path; "." for a bare name.
std::string folder_of(const std::string& path);
/// The text of a symbolic link, unresolved; empty if it cannot be read.
std::string target_of_link(const std::string& path);

/// Whether the last write is more than a second old, so that the writer has probably finished. True for a time in the future.
bool is_settled(const std::string& path);
/// Changes when the file, or any file in the folder, is replaced or written: by inode, size and time. 0 if absent.
std::uint64_t fingerprint(const std::string& path);

/// Replaces the file at `path` by one with this content and mode 0600. The content is first written to `path`.new, which is
/// replaced if it exists and never followed. Readers see the whole old file or the whole new one. The data is not synced: after
/// a power loss the file is the old one, the new one or a damaged one. After an error the old file is unchanged.
Result<void> replace_file(const std::string& path, std::string_view content);

/// Renames the file to `path` and `suffix`, replacing any file there.
Result<void> move_aside(const std::string& path, std::string_view suffix);

}  // namespace nswarden
