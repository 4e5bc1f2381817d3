// SPDX-License-Identifier: Apache-2.0
// Names of netns and their sources. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nswarden {

/// The origin of a netns name.
enum class NameKind : std::uint8_t {
  entry,    ///< an entry of a netns directory
  host,     ///< the host's own netns, named `host`; other names are ignored then
  process,  ///< a process in it, named `net:[INODE]` as /proc/PID/ns/net shows; used only without an entry
};

/// Policy for symbolic links in netns directories. `ln -s /proc/PID/ns/net NAME` is a common practice, and also a way to
/// mislead the daemon.
enum class Links : std::uint8_t { refuse, follow };

struct NetnsName {
  std::string_view text;  ///< bytes, without a path
  NameKind kind = NameKind::entry;
};

/// A source of names, referenced by the index `directory` of an entry.
struct NetnsSource {
  NameKind kind = NameKind::entry;
  std::string directory{};  ///< absolute; empty for the host and for processes
};

/// Sources of names: these directories, the host and processes.
inline std::vector<NetnsSource> netns_sources(const std::vector<std::string>& directories) {
  std::vector<NetnsSource> sources;
  sources.reserve(directories.size() + 2);
  for (const std::string& directory : directories) sources.push_back({NameKind::entry, directory});
  sources.push_back({NameKind::host});
  sources.push_back({NameKind::process});
  return sources;
}

/// The displayed name of a netns: the plain name for the first source, the host and processes; the full path for other sources
/// and for a name that another kind of source could also have.
inline std::string label_of(const NetnsSource& source, std::size_t index, std::string_view name) {
  const bool is_free = index == 0 && name != "host" && !name.starts_with("net:[");
  if (source.kind != NameKind::entry || is_free) return std::string(name);
  return source.directory + '/' + std::string(name);
}

}  // namespace nswarden
