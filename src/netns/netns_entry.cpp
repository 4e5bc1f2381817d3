// SPDX-License-Identifier: Apache-2.0
#include "netns/netns_entry.hpp"

#include <asm/socket.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ratio>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {
namespace {

// Newer than the headers of Debian 12 and 13.
constexpr unsigned long ns_get_id = _IOR(NSIO, 13, std::uint64_t);
#ifdef SO_NETNS_COOKIE
constexpr int so_netns_cookie = SO_NETNS_COOKIE;
#else
constexpr int so_netns_cookie = 71;
#endif

constexpr std::string_view opening = "net:[";
constexpr std::string_view closing = "]";

Refusal refusal_of(EntryKind kind) { return kind == EntryKind::placeholder ? Refusal::not_ready : Refusal::not_a_netns; }

/// The kernel sets the change time of an nsfs inode when it creates the inode. The number of a dead netns is free only after a
/// grace period, so no two have both in common (kernel fact 42).
std::uint64_t birth_of(const struct stat& status) {
  constexpr std::uint64_t spread = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio: few sums coincide
  const auto seconds = static_cast<std::uint64_t>(status.st_ctim.tv_sec);
  const auto nanoseconds = seconds * std::nano::den + static_cast<std::uint64_t>(status.st_ctim.tv_nsec);
  return (nanoseconds * spread + status.st_ino) | has_no_cookie;
}

bool is_absent(int error) { return error == ENOENT || error == ENOTDIR; }

/// Whether a path without a file ends in a followed symbolic link.
bool is_dangling(const NetnsPath& path) {
  struct stat status {};
  return path.links == Links::follow && ::lstat(path.path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

}  // namespace

EntryKind classify(const struct stat& status, const HomeNetns& home) {
  // One superblock holds all of nsfs, so the device number replaces statfs (NSFS_MAGIC).
  if (status.st_dev == home.nsfs_device()) return EntryKind::nsfs;
  if (S_ISREG(status.st_mode) && status.st_size == 0) return EntryKind::placeholder;
  return EntryKind::other;
}

int stat_entry(int directory, const char* name, Links links, struct stat& status) {
  const int flags = AT_NO_AUTOMOUNT | (links == Links::refuse ? AT_SYMLINK_NOFOLLOW : 0);
  const int result = ::fstatat(directory, name, &status, flags);
  if (result == 0) return result;
  return ::fstatat(directory, name, &status, flags);
}

PathEntry inspect(const NetnsPath& path, const HomeNetns& home) {
  struct stat status {};
  if (stat_entry(AT_FDCWD, path.path.c_str(), path.links, status) != 0) {
    return {is_absent(errno) && !is_dangling(path) ? EntryKind::absent : EntryKind::other, 0};
  }
  const EntryKind kind = classify(status, home);
  return {kind, kind == EntryKind::nsfs ? status.st_ino : 0};
}

std::variant<OpenNetns, Refusal, Error> open_netns(const NetnsPath& path, const HomeNetns& home) {
  // O_PATH opens without side effects: it neither blocks on a FIFO nor touches a device (kernel fact 6).
  const int links = path.links == Links::refuse ? O_NOFOLLOW : 0;
  const Fd entry(::open(path.path.c_str(), O_PATH | O_CLOEXEC | links));
  if (!entry) {
    const int error = errno;
    if (is_absent(error)) return is_dangling(path) ? Refusal::not_a_netns : Refusal::absent;
    // A loop of links; a link that is not followed is opened itself.
    if (error == ELOOP && path.links == Links::follow) return Refusal::not_a_netns;
    return Error{error, "open entry"};
  }
  struct stat status {};
  if (::fstat(entry.get(), &status) != 0) return Error{errno, "stat entry"};
  const EntryKind kind = classify(status, home);
  if (kind != EntryKind::nsfs) return refusal_of(kind);

  OpenNetns opened{Fd(::open(path_of_fd(entry.get()).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)), status.st_ino,
                   birth_of(status)};
  if (!opened.fd) return Error{errno, "open netns"};
  // All kinds of namespace are files of nsfs, and setns enters any of them.
  int type = ::ioctl(opened.fd.get(), NS_GET_NSTYPE);
  if (type < 0) type = ::ioctl(opened.fd.get(), NS_GET_NSTYPE);  // repeated as in stat_entry()
  if (type < 0 && errno != ENOTTY) return Error{errno, "get namespace type"};
  if (type != CLONE_NEWNET) return Refusal::not_a_netns;
  return opened;
}

std::optional<std::uint64_t> cookie_of_file(int netns) {
  std::uint64_t cookie = 0;
  if (::ioctl(netns, ns_get_id, &cookie) != 0) return std::nullopt;
  return cookie;
}

Result<std::uint64_t> cookie_inside() {
  // A local socket: other families free theirs, and with it the netns, only after a grace period (kernel fact 57).
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Error{errno, "open socket in netns"};
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(socket.get(), SOL_SOCKET, so_netns_cookie, &cookie, &size) != 0) return std::uint64_t{0};
  return cookie;
}

Result<std::uint64_t> identity_inside(const OpenNetns& netns) {
  if (const auto cookie = cookie_of_file(netns.fd.get())) return *cookie;
  Result<std::uint64_t> cookie = cookie_inside();
  if (cookie && *cookie == 0) return netns.birth;
  return cookie;
}

std::optional<std::uint64_t> init_netns_inode(const HomeNetns& home) {
  // Linux 5.10 returns the link itself to a process that may not follow it (kernel fact 68).
  const PathEntry first = inspect({in_procfs("1/ns/net"), Links::follow}, home);
  if (first.kind == EntryKind::nsfs) return first.inode;
  // The stat needs CAP_SYS_PTRACE if process 1 belongs to another user. Files below its net/ do not, and each netns has its own
  // (kernel fact 7).
  struct stat own {};
  struct stat first_process {};
  if (::stat(in_procfs("1/net/dev").c_str(), &first_process) != 0) return std::nullopt;
  if (::stat(in_procfs("thread-self/net/dev").c_str(), &own) != 0) return std::nullopt;
  if (own.st_dev != first_process.st_dev || own.st_ino != first_process.st_ino) return std::nullopt;
  return home.inode();
}

std::string ProcessNetns::name_of(std::uint64_t inode) { return std::string(opening) + std::to_string(inode).append(closing); }

std::uint64_t ProcessNetns::inode_of(std::string_view name) {
  if (!name.starts_with(opening) || !name.ends_with(closing)) return 0;
  name.remove_prefix(opening.size());
  name.remove_suffix(closing.size());
  // The kernel writes no leading zero.
  return name.starts_with('0') ? 0 : parse_number<std::uint64_t>(name).value_or(0);
}

Result<std::vector<std::uint64_t>> ProcessNetns::scan() {
  constexpr std::string_view attempt = "list processes";
  const Fd processes = open_directory(procfs());
  if (!processes) return Error{errno, attempt};
  std::unordered_map<std::uint64_t, std::vector<int>> found;
  std::vector<std::uint64_t> inodes;
  const Result<void> listed = read_directory(processes.get(), attempt, [&](const char* entry, auto) {
    const std::optional<int> pid = parse_number<int>(entry);
    if (!pid) return;
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "%d/ns/net", *pid);
    std::array<char, 64> name{};
    // The kernel generates the text of the link. Reading it fails if the process has exited, is a zombie, or belongs to a user
    // that the daemon may not inspect.
    const ssize_t size = ::readlinkat(processes.get(), path.data(), name.data(), name.size());
    const std::uint64_t inode = size > 0 ? inode_of({name.data(), static_cast<std::size_t>(size)}) : 0;
    if (inode == 0) return;
    std::vector<int>& pids = found[inode];
    if (pids.empty()) inodes.push_back(inode);
    if (pids.size() < max_pids) pids.push_back(*pid);
  });
  if (!listed) return listed.error();
  pids_ = std::move(found);
  return inodes;
}

std::vector<NetnsPath> ProcessNetns::paths_of(std::string_view name) const {
  std::vector<NetnsPath> paths;
  const auto known = pids_.find(inode_of(name));
  if (known == pids_.end()) return paths;
  // A magic link of the kernel: it leads to the file of the netns and does not resolve its text.
  for (const int pid : known->second) paths.push_back({in_procfs(std::to_string(pid) + "/ns/net"), Links::follow});
  return paths;
}

}  // namespace nswarden
