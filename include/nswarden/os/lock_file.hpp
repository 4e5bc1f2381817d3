// SPDX-License-Identifier: Apache-2.0
// LockFile is a lock that one process can hold, on a file that every process can see. This header also finds the directory in
// which a running daemon keeps such files, and identifies directories independently of their paths. The kernel drops a lock
// when the process ends, however it ends. Main thread of one-shot commands, loop thread of the daemon.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

/// Holds a record lock of fcntl(2). A lock of flock(2) belongs to the open file, so a child would keep it after its parent's
/// death, between its fork and the closing of inherited fds (kernel fact 59). A record lock is also lost when the process
/// closes any other fd of the same file, so a file is locked once per process. The file is never removed and stays empty:
/// unlinking it would break the exclusion for processes that have opened but not yet locked it.
class LockFile {
 public:
  /// Another process holds the lock. `pid` is 0 for a process of another PID namespace.
  struct Taken {
    std::int64_t pid = 0;
  };
  using Attempt = std::variant<LockFile, Taken, Error>;

  /// Creates the file if absent, with mode 0600: a user that may read a file may lock it. ELOOP for a symbolic link, EINVAL for
  /// any other file that is not regular, otherwise the errno of open. Writes nothing into the file.
  static Attempt take(const std::string& path);

 private:
  explicit LockFile(Fd file) : file_(std::move(file)) {}

  Fd file_;
};

/// Identifies the directory of a path, the same under all names and mounts: the deepest existing part of the path, with links
/// followed.
struct DirectoryIdentity {
  unsigned device_major = 0;
  unsigned device_minor = 0;
  std::uint64_t inode = 0;
  std::string rest;  ///< the absent part of the path, without leading and trailing slash
};
Result<DirectoryIdentity> identify_directory(const std::string& path);

/// Mode 0755. An existing directory is not an error.
Result<void> make_directory(const std::string& path);

/// $RUNTIME_DIRECTORY, or /run/nswarden. The directory may be absent.
std::string runtime_directory();

/// "another nswarden (pid 7)"; 0 means another PID namespace.
std::string holder(std::int64_t pid);

/// The reason for a failed lock, by its errno.
std::string lock_error(int error);

}  // namespace nswarden
