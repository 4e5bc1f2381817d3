// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/lock_file.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <nswarden/base/text.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/privilege.hpp>

namespace nswarden {

namespace {

constexpr std::string_view default_runtime_directory = "/run/nswarden";

constexpr struct flock whole_file { F_WRLCK, SEEK_SET, 0, 0, 0 };

bool leads_to(const std::string& path, const struct stat& file) {
  struct stat now {};
  return ::lstat(path.c_str(), &now) == 0 && now.st_dev == file.st_dev && now.st_ino == file.st_ino;
}

}  // namespace

LockFile::Attempt LockFile::take(const std::string& path) {
  // Tries again if the holder ended meanwhile, or if the file was replaced before it was locked, as by a service manager that
  // removes the runtime directory of a stopped service. A lock on an unlinked file excludes no process.
  for (int round = 0; round < 16; ++round) {
    Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) return Error{errno, "open lock file"};
    if (!S_ISREG(status.st_mode)) return Error{EINVAL, "open lock file"};
    struct flock lock = whole_file;
    if (::fcntl(file.get(), F_SETLK, &lock) == 0) {
      if (leads_to(path, status)) return LockFile(std::move(file));
      continue;
    }
    if (errno != EAGAIN && errno != EACCES) return Error{errno, "lock file"};
    lock = whole_file;
    if (::fcntl(file.get(), F_GETLK, &lock) != 0) return Error{errno, "find lock holder"};
    if (lock.l_type != F_UNLCK) return Taken{lock.l_pid > 0 ? lock.l_pid : 0};
  }
  return Error{EAGAIN, "lock file"};
}

Result<DirectoryIdentity> identify_directory(const std::string& path) {
  std::string there = path;
  std::string rest;
  struct stat status {};
  while (::stat(there.c_str(), &status) != 0) {
    if ((errno != ENOENT && errno != ENOTDIR) || there == "/" || there.empty()) return Error{errno, "stat directory"};
    const std::string_view last = last_component(there);
    if (!last.empty() && !rest.empty()) rest.insert(0, 1, '/');
    rest.insert(0, last);
    there = folder_of(there);
  }
  return DirectoryIdentity{major(status.st_dev), minor(status.st_dev), status.st_ino, std::move(rest)};
}

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return Error{errno, "create directory"};
  return {};
}

// systemd separates several directories with colons.
std::string runtime_directory() {
  const char* given = std::getenv("RUNTIME_DIRECTORY");  // NOLINT(concurrency-mt-unsafe): nothing sets it
  const std::string_view first = given == nullptr ? "" : std::string_view(given).substr(0, std::string_view(given).find(':'));
  return std::string(first.starts_with('/') ? first : default_runtime_directory);
}

std::string holder(std::int64_t pid) {
  return pid == 0 ? "another nswarden (in another PID namespace)" : fmt::format("another nswarden (pid {})", pid);
}

std::string lock_error(int error) {
  if (error == EINVAL) return "it is not a regular file";
  if (error == ELOOP) return "it is a symbolic link";
  return with_remedy(error);
}

}  // namespace nswarden
