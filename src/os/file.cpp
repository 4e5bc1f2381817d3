// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <nswarden/os/fd.hpp>

namespace nswarden {

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

}  // namespace nswarden
