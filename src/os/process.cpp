// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/process.hpp>

#include <sys/resource.h>

#include <cerrno>

namespace nswarden {

std::size_t open_files_limit() {
  rlimit limit{};
  // Cannot fail for a resource that exists.
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

Result<void> set_open_files_limit(std::size_t files) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = files;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return Error{errno, "set the limit of open files"};
  return {};
}

Result<std::size_t> raise_open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return Error{errno, "raise the limit of open files"};
  return static_cast<std::size_t>(limit.rlim_cur);
}

}  // namespace nswarden
