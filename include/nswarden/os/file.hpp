// SPDX-License-Identifier: Apache-2.0
// Files and folders. Reads them whole, safely for any path that an admin gives; where the daemon acts on their content with all its
// privileges, only if no other user may write them. Replaces files so that a reader never sees a partial one. Any thread.
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

/// The whole of a regular file, following links. ENOENT, EACCES, ... as open gives them; EISDIR for a directory, EINVAL for
/// anything else that is not a regular file (it never hangs on a FIFO), EFBIG when there are more than `max_bytes`.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

/// Other users may write a file, or the folder it is in. `why` names them, and the remedy.
struct Distrusted {
  std::string why;
};
/// Like read_file(). Distrusted when a user besides root and the daemon's may write the file or replace it: by its mode, its owner, or
/// those of its folder, where a sticky one is enough. Files on a mount that is read-only here (a ConfigMap) are trusted.
std::variant<std::string, Distrusted, Error> read_trusted_file(const std::string& path, std::size_t max_bytes);
/// The names in a folder, without `.` and `..`. ENOTDIR when it is not one. Distrusted when other users may add to it.
std::variant<std::vector<std::string>, Distrusted, Error> list_trusted_folder(const std::string& path);

/// For reading; see errno when there is none.
Fd open_directory(const std::string& path);
/// Calls `take` with the name and the type (DT_DIR, ...) of each remaining entry of an open directory, without `.` and `..`.
using TakeEntry = std::function<void(const char* name, unsigned char type)>;
Result<void> read_directory(int directory, std::string_view attempt, const TakeEntry& take);
/// One of the two names that every directory has besides its entries.
constexpr bool is_dots(std::string_view name) { return name == "." || name == ".."; }

/// The folder that a path is in; "." for a bare name.
std::string folder_of(const std::string& path);
/// The text of a symbolic link, unresolved; empty when it cannot be read.
std::string target_of_link(const std::string& path);

/// Whether the file was last written more than a second ago, so that its writer is probably done. True for a time in the future.
bool is_settled(const std::string& path);
/// Changes when the file, or any file in the folder, is replaced or written: by inode, size and time. 0: absent.
std::uint64_t fingerprint(const std::string& path);

/// Replaces the file at `path` by one with this content, for its owner alone (mode 0600). The content is written to `path`.new first,
/// which is replaced if it exists and never followed. Readers see the old file or the new one whole. It is not forced to the disk: a
/// machine that loses power has the old one, the new one, or a damaged one. After an error the old one is unchanged.
Result<void> replace_file(const std::string& path, std::string_view content);

/// Renames it to `path` and `suffix`, replacing any file there.
Result<void> move_aside(const std::string& path, std::string_view suffix);

}  // namespace nswarden
