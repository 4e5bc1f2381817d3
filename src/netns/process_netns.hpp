// SPDX-License-Identifier: Apache-2.0
// The netns that processes are in, under names that /proc itself gives them: net:[INODE]. Only the netns of a process's first
// thread is seen (kernel fact 54). Remembers pids, which keep nothing alive and may be of other processes later: LinuxCatalog checks
// the inode number of each netns that it opens by such a path. Called in its thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nswarden/base/result.hpp>
#include "netns/netns_entry.hpp"

namespace nswarden {

class ProcessNetns {
 public:
  /// Looks at all processes, which costs 5 us each: inode numbers, each once. Those that may not be looked at are left out.
  Result<std::vector<std::uint64_t>> scan();

  /// Paths by which the netns of this name may be reached, by the last scan: at most `most_pids`, oldest process first.
  [[nodiscard]] std::vector<NetnsPath> paths_of(std::string_view name) const;

  static std::string name_of(std::uint64_t inode);
  /// 0: not such a name.
  static std::uint64_t inode_of(std::string_view name);

  static constexpr std::size_t most_pids = 4;

 private:
  std::unordered_map<std::uint64_t, std::vector<int>> pids_;  // by inode
};

}  // namespace nswarden
