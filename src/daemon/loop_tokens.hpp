// SPDX-License-Identifier: Apache-2.0
// What the loop's poller says is ready.
#pragma once

#include <cstdint>

namespace nswarden {

enum Token : std::uint64_t {
  signals_token,
  inotify_token,
  mounts_token,
  config_token,
  waker_token,
  commands_token,
  writes_token,
  slow_writes_token,
  links_token,
  paths_token,
};

}  // namespace nswarden
