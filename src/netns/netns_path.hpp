// SPDX-License-Identifier: Apache-2.0
// A path that leads to a netns file, and whether a symbolic link at its end may lead on. Plain data.
#pragma once

#include <string>

#include <nswarden/policy/netns_name.hpp>

namespace nswarden {

struct NetnsPath {
  std::string path{};
  Links links = Links::refuse;
};

}  // namespace nswarden
