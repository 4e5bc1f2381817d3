// SPDX-License-Identifier: Apache-2.0
// Names of netns, and where they come from. Plain data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace nswarden::core {

/// How a netns came by a name.
enum class NameKind : std::uint8_t {
  entry,    ///< an entry of a netns directory
  host,     ///< it is the host's own netns, under the name `host`: then no other name counts
  process,  ///< a process is in it, under the name `net:[INODE]` as /proc/PID/ns/net shows it: counts only without an entry
};

struct NetnsName {
  std::string_view text;  ///< bytes, without a path
  NameKind kind = NameKind::entry;
};

/// A place that names come from: what the index `directory` of an entry refers to.
struct NetnsSource {
  NameKind kind = NameKind::entry;
  std::string directory{};  ///< absolute; empty for the host and for processes
};

}  // namespace nswarden::core
