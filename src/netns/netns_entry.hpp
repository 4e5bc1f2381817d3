// SPDX-License-Identifier: Apache-2.0
// Paths of netns, for LinuxCatalog, in its thread. Entries of a netns directory are classified and opened without side effects
// (kernel fact 6), because an entry may be any file: a FIFO, a device, a link, another kind of namespace. A netns of processes
// has the name that /proc gives it.
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

/// A path to a netns file, and whether to follow a symbolic link at its end.
struct NetnsPath {
  std::string path{};
  Links links = Links::refuse;
};

/// `status` is the result of stat_entry().
EntryKind classify(const struct stat& status, const HomeNetns& home);

/// fstatat of an entry, repeated once on failure: a single interruption must not make a governed netns look removed or like
/// another kind of file.
int stat_entry(int directory, const char* name, Links links, struct stat& status);

/// The current entry at a path. A dangling link is present, and is not a netns.
struct PathEntry {
  EntryKind kind = EntryKind::absent;
  std::uint64_t inode = 0;
};
PathEntry inspect(const NetnsPath& path, const HomeNetns& home);

struct OpenNetns {
  Fd fd;  ///< of the netns file: close it before the call that opened it returns (kernel fact 5)
  std::uint64_t inode = 0;
  std::uint64_t birth = 0;  ///< of the inode: its number and time of creation as one number, with has_no_cookie set
};
/// Opens the entry at the path if it is a netns, of any process; otherwise returns the reason. Never Refusal::host_netns.
std::variant<OpenNetns, Refusal, Error> open_netns(const NetnsPath& path, const HomeNetns& home);

/// Cookie of the netns behind an fd of its file; nullopt before Linux 6.18.
std::optional<std::uint64_t> cookie_of_file(int netns);
/// Cookie of the calling thread's netns, read through a temporary socket; 0 before Linux 5.14 (kernel fact 42).
Result<std::uint64_t> cookie_inside();

/// Set in the number that identifies a netns on a kernel without cookies. Cookies count from 1 and never reach it.
constexpr std::uint64_t has_no_cookie = std::uint64_t{1} << 63U;
/// The number that identifies `netns`, in which the calling thread is: its cookie or else its birth. While a mount or an fd
/// keeps the inode, the birth stays; a netns that only processes keep gets another one whenever its file is opened again. So
/// equal births prove the same netns, and different ones prove nothing.
Result<std::uint64_t> identity_inside(const OpenNetns& netns);

/// Inode number of the first netns since Linux 6.18 (NET_NS_INIT_INO in linux/nsfs.h). Earlier kernels never use it: they
/// assign numbers from 0xF0000000 upwards (kernel fact 55).
constexpr std::uint64_t fixed_init_inode = 0xEFFFFFF9;

/// Inode number of the netns of process 1; nullopt if the daemon may not see it.
std::optional<std::uint64_t> init_netns_inode(const HomeNetns& home);

/// ProcessNetns finds the netns of processes, named net:[INODE]. It sees only the netns of a process's first thread (kernel
/// fact 54). It stores pids, which keep nothing alive and may be reused, so LinuxCatalog checks the inode number of each netns
/// that it opens by such a path.
class ProcessNetns {
 public:
  /// Scans all processes, at 5 us each. Returns inode numbers without duplicates and skips processes that may not be inspected.
  Result<std::vector<std::uint64_t>> scan();

  /// Paths to the netns of this name, from the last scan: at most `max_pids`, oldest process first.
  [[nodiscard]] std::vector<NetnsPath> paths_of(std::string_view name) const;

  static std::string name_of(std::uint64_t inode);
  /// 0 if `name` has another form.
  static std::uint64_t inode_of(std::string_view name);

  static constexpr std::size_t max_pids = 4;

 private:
  std::unordered_map<std::uint64_t, std::vector<int>> pids_;  // by inode number
};

}  // namespace nswarden
