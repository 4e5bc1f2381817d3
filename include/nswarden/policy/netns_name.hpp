// SPDX-License-Identifier: Apache-2.0
// Names of netns, and where they come from. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nswarden {

/// How a netns came by a name.
enum class NameKind : std::uint8_t {
  entry,    ///< an entry of a netns directory
  host,     ///< it is the host's own netns, under the name `host`: then no other name counts
  process,  ///< a process is in it, under the name `net:[INODE]` as /proc/PID/ns/net shows it: counts only without an entry
};

/// A symbolic link in place of a netns file: `ln -s /proc/PID/ns/net NAME` is a custom of some, and a way to mislead us.
enum class Links : std::uint8_t { refuse, follow };

struct NetnsName {
  std::string_view text;  ///< bytes, without a path
  NameKind kind = NameKind::entry;
};

/// A place that names come from: what the index `directory` of an entry refers to.
struct NetnsSource {
  NameKind kind = NameKind::entry;
  std::string directory{};  ///< absolute; empty for the host and for processes
};

/// Where names come from: these directories, the host and processes.
inline std::vector<NetnsSource> netns_sources(const std::vector<std::string>& directories) {
  std::vector<NetnsSource> sources;
  sources.reserve(directories.size() + 2);
  for (const std::string& directory : directories) sources.push_back({NameKind::entry, directory});
  sources.push_back({NameKind::host});
  sources.push_back({NameKind::process});
  return sources;
}

/// How a netns of that name is shown: the name in the first source, of the host and of processes, the full path in others, and for
/// a name that another kind of source could have as well.
inline std::string label_of(const NetnsSource& source, std::size_t index, std::string_view name) {
  const bool is_free = index == 0 && name != "host" && !name.starts_with("net:[");
  if (source.kind != NameKind::entry || is_free) return std::string(name);
  return source.directory + '/' + std::string(name);
}

}  // namespace nswarden
