// SPDX-License-Identifier: Apache-2.0
// Reads files and folders that an admin named and that no other user may write, as the daemon acts on their content with all its
// privileges. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <nswarden/base/result.hpp>

namespace nswarden {

/// Other users may write a file, or the folder it is in. `why` names them, and the remedy.
struct Distrusted {
  std::string why;
};

/// The whole of a regular file, as read_file() does it. Distrusted when somebody besides root and us may write it, or put another
/// one in its place: by its mode, its owner, or those of its folder, where a sticky one is enough. What is on a mount that is
/// read-only for us (a ConfigMap) is trusted.
std::variant<std::string, Distrusted, Error> read_trusted_file(const std::string& path, std::size_t max_bytes);

/// The names in a folder, without `.` and `..`. ENOTDIR when it is none. Distrusted when others may add to it.
std::variant<std::vector<std::string>, Distrusted, Error> list_trusted_folder(const std::string& path);

/// The folder that a path is in; "." for a bare name.
std::string folder_of(const std::string& path);

/// Whether who wrote the file is probably done: more than a second ago. A time in the future says nothing.
bool is_settled(const std::string& path);

/// Another number when the file, or any file in the folder, is another one or was written: by inode, size and time. 0: absent.
std::uint64_t fingerprint(const std::string& path);

}  // namespace nswarden
