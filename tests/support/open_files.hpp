// SPDX-License-Identifier: Apache-2.0
// Limits on open files, for tests of file descriptor exhaustion.
#pragma once

#include <sys/resource.h>

#include <cerrno>
#include <cstddef>

#include <nswarden/base/result.hpp>

namespace nswarden::test {

/// Sets the soft limit of this process.
inline Result<void> set_open_files_limit(std::size_t files) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = files;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return Error{errno, "set the limit of open files"};
  return {};
}

}  // namespace nswarden::test
