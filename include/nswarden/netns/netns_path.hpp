// SPDX-License-Identifier: Apache-2.0
// A path that leads to a netns file, and whether a symbolic link at its end may lead on. Plain data.
#pragma once

#include <cstdint>
#include <string>

namespace nswarden {

/// A symbolic link in place of a netns file: `ln -s /proc/PID/ns/net NAME` is a custom of some, and a way to mislead us.
enum class Links : std::uint8_t { refuse, follow };

struct NetnsPath {
  std::string path{};
  Links links = Links::refuse;
};

}  // namespace nswarden
