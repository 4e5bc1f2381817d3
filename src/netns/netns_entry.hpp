// SPDX-License-Identifier: Apache-2.0
// The ways to a netns, for LinuxCatalog, in its thread. Entries of a netns directory are classified and opened without side effects
// (kernel fact 6), since one may be anything: a FIFO, a device, a link, a namespace of another kind. Netns of processes have the names
// that /proc itself gives them.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/engine/kernel.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/policy/netns_name.hpp>
#include "netns/netns_scope.hpp"

namespace nswarden {

/// A path that leads to a netns file, and whether a symbolic link at its end may lead on.
struct NetnsPath {
  std::string path{};
  Links links = Links::refuse;
};

/// `status` as stat_entry() gives it.
EntryKind classify(const struct stat& status, const HomeNetns& home);

/// fstatat of an entry. One that fails is made once more: a governed netns must not be taken for gone, or for another kind of
/// file, because of a single interruption.
int stat_entry(int directory, const char* name, Links links, struct stat& status);

/// The entry at a path now. A link that leads nowhere is present, and is not a netns.
struct PathLook {
  EntryKind kind = EntryKind::absent;
  std::uint64_t inode = 0;
};
PathLook look_at(const NetnsPath& path, const HomeNetns& home);

struct OpenNetns {
  Fd fd;  ///< of the netns file: to be closed before the call that opened it returns (kernel fact 5)
  std::uint64_t inode = 0;
};
/// Opens the entry at the path when it is a netns, of any process; otherwise says why it is not. Never Refusal::host_netns.
std::variant<OpenNetns, Refusal, Error> open_netns(const NetnsPath& path, const HomeNetns& home);

/// Cookie of the netns behind an fd of its file: Linux 6.18, none before.
std::optional<std::uint64_t> cookie_of_file(int netns);
/// Cookie of the netns that the thread is in, by a socket that is closed at once: Linux 5.14, 0 before (kernel fact 42).
Result<std::uint64_t> cookie_inside();

/// Inode of the first netns since Linux 6.18 (NET_NS_INIT_INO in linux/nsfs.h). Before, no netns had it: numbers were handed
/// out from 0xF0000000 upwards (kernel fact 55).
constexpr std::uint64_t fixed_init_inode = 0xEFFFFFF9;

/// Inode of the netns of process 1; none when we may not see it.
std::optional<std::uint64_t> init_netns_inode();

/// The netns that processes are in, named net:[INODE]. Only the netns of a process's first thread is seen (kernel fact 54). Remembers
/// pids, which keep nothing alive and may be reused: LinuxCatalog checks the inode number of each netns that it opens by such a path.
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
