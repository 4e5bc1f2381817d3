// SPDX-License-Identifier: Apache-2.0
// What to tell somebody whose privilege does not reach.
#pragma once

#include <fmt/format.h>

#include <string>
#include <system_error>

namespace nswarden::app {

inline std::string cannot_enter_any(int error) {
  return fmt::format("cannot enter network namespaces: {}; run as root or with CAP_SYS_ADMIN and CAP_NET_ADMIN",
                     std::generic_category().message(error));
}

}  // namespace nswarden::app
