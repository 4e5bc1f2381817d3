// SPDX-License-Identifier: Apache-2.0
// What to tell somebody whose privilege, or whose host, does not reach.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace nswarden::app {

/// An error as text, with what helps against it where the error alone tells.
inline std::string with_remedy(int error) {
  std::string text = std::generic_category().message(error);
  switch (error) {
    case EMFILE: return text + "; raise the limit of open files (LimitNOFILE= of its unit, or ulimit -n)";
    case ENFILE: return text + "; raise fs.file-max";
    case ENOMEM: return text + "; raise the memory limit of its unit or container";
    default: return text;
  }
}

inline std::string cannot_enter_any(int error) {
  if (error != EPERM) return fmt::format("cannot enter network namespaces: {}", with_remedy(error));
  return fmt::format("cannot enter network namespaces: {}; run as root or with CAP_SYS_ADMIN and CAP_NET_ADMIN",
                     std::generic_category().message(error));
}

}  // namespace nswarden::app
