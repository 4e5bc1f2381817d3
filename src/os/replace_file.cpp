// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/replace_file.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <nswarden/os/fd.hpp>

namespace nswarden {

namespace {

Result<void> write_new(const std::string& path, std::string_view content) {
  // One of an earlier process that was killed, or of somebody who waits for us to write into his.
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
