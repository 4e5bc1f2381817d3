// SPDX-License-Identifier: Apache-2.0
// A lock that one process can hold, by a file that every process can see; the directory where a running daemon keeps such files; and
// an identity of directories that does not depend on the path. The kernel drops a lock when the process ends, however it ends. Main
// thread of one-shot commands, loop thread of the daemon.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

/// Holds a record lock of fcntl(2), not one of flock(2): that one belongs to the open file, so that a child between its fork and
/// the closing of what it inherited would keep it after the death of its parent (kernel fact 59). It goes too when the process
/// closes any other fd of the same file, so a file is taken once. The file stays, with nothing in it: unlinking one would take it
/// from processes that have opened it and not locked it yet.
class LockFile {
 public:
  /// Another process has it: its id, 0 for one of another PID namespace.
  struct Taken {
    std::int64_t pid = 0;
  };
  using Attempt = std::variant<LockFile, Taken, Error>;

  /// Makes the file when it is absent, for its owner alone: a user that may read a file may lock it. ELOOP for a symbolic link, EINVAL
  /// for anything but a regular file, otherwise the errno of open. Nothing is written into it.
  static Attempt take(const std::string& path);

 private:
  explicit LockFile(Fd file) : file_(std::move(file)) {}

  Fd file_;
};

/// The directory that a path leads to, the same by all names and mounts: the deepest part of the path that exists, links followed.
struct DirectoryIdentity {
  unsigned device_major = 0;
  unsigned device_minor = 0;
  std::uint64_t inode = 0;
  std::string rest;  ///< the part of the path that is absent, without a slash at either end
};
Result<DirectoryIdentity> identify_directory(const std::string& path);

/// Mode 0755. An existing one is fine.
Result<void> make_directory(const std::string& path);

/// $RUNTIME_DIRECTORY, or /run/nswarden. It need not exist.
std::string runtime_directory();

/// "another nswarden (pid 7)"; 0: of another PID namespace.
std::string holder(std::int64_t pid);

/// Why a file could not be locked, by its errno.
std::string lock_error(int error);

}  // namespace nswarden
