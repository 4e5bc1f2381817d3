// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>

#include <nswarden/os/fd.hpp>

namespace nswarden {
namespace {

Result<void> write_new(const std::string& path, std::string_view content) {
  // One of an earlier process that was killed, or one that another user has put there to be written into.
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Error{errno, "remove file"};
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return Error{errno, "make file"};
  while (!content.empty()) {
    const ssize_t size = ::write(file.get(), content.data(), content.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return Error{size == 0 ? ENOSPC : errno, "write file"};
    content.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return Error{errno, "open file"};
  if (S_ISDIR(status.st_mode)) return Error{EISDIR, "open file"};
  if (!S_ISREG(status.st_mode)) return Error{EINVAL, "open file"};

  // Not trusting st_size: files of procfs say 0, and others may grow.
  std::string content;
  std::array<char, 16384> batch{};
  while (true) {
    const std::size_t room = std::min(batch.size(), max_bytes - content.size() + 1);
    const ssize_t size = ::read(file.get(), batch.data(), room);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Error{errno, "read file"};
    if (size == 0) return content;
    content.append(batch.data(), static_cast<std::size_t>(size));
    if (content.size() > max_bytes) return Error{EFBIG, "read file"};
  }
}

std::string target_of_link(const std::string& path) {
  std::array<char, PATH_MAX> target;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  return size > 0 ? std::string(target.data(), static_cast<std::size_t>(size)) : std::string();
}

Result<void> replace_file(const std::string& path, std::string_view content) {
  const std::string fresh = path + ".new";
  Result<void> done = write_new(fresh, content);
  if (done && ::rename(fresh.c_str(), path.c_str()) != 0) done = Error{errno, "replace file"};
  if (!done) ::unlink(fresh.c_str());
  return done;
}

Result<void> move_aside(const std::string& path, std::string_view suffix) {
  const std::string aside = path + std::string(suffix);
  if (::rename(path.c_str(), aside.c_str()) != 0) return Error{errno, "rename file"};
  return {};
}

}  // namespace nswarden
