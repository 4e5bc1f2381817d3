// SPDX-License-Identifier: Apache-2.0
// describe_writer describes the process that wrote a sysctl, by its files in /proc. Separate from SysctlWatcher because it
// needs no fanotify.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/netns/sysctl_watcher.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {

namespace {

/// Reads the file with one read: the kernel generates such a file in one piece, and the writer may be exiting. Empty if it
/// cannot be read or exceeds the buffer, which is larger than any such file.
std::string content_of(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::array<char, 8192> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t size = ::read(file.get(), bytes.data(), bytes.size());
  if (size < 0 || static_cast<std::size_t>(size) == bytes.size()) return {};
  return {bytes.data(), static_cast<std::size_t>(size)};
}

/// The rest of the line that starts with `key`.
std::string_view value_of(std::string_view lines, std::string_view key) {
  while (!lines.empty()) {
    std::string_view line = take_until(lines, '\n');
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    return line;
  }
  return {};
}

/// The process's directory in the daemon's procfs, which may belong to another PID namespace with other pids; empty if absent.
std::string directory_of(const Fd& pidfd) {
  // fdinfo shows the pid in the PID namespace of that procfs. Of thread-self, see kernel fact 69.
  const std::string info = content_of(in_procfs("thread-self/fdinfo/" + std::to_string(pidfd.get())));
  const std::optional<std::int64_t> pid = parse_number<std::int64_t>(value_of(info, "Pid:\t"));
  return pid && *pid > 0 ? in_procfs(std::to_string(*pid)) : std::string();
}

/// True until the process is reaped: until then no other process can get its pid. A zombie still counts (kernel fact 64).
bool is_there(const Fd& pidfd) { return ::syscall(SYS_pidfd_send_signal, pidfd.get(), 0, nullptr, 0) == 0 || errno == EPERM; }

std::string comm_of(const std::string& directory) {
  std::string comm = content_of(directory + "/comm");
  if (comm.ends_with('\n')) comm.pop_back();
  return comm;
}

std::optional<std::uint32_t> effective_uid(const std::string& directory) {
  const std::string status = content_of(directory + "/status");
  // Fields: real, effective, saved, file system.
  std::string_view uids = value_of(status, "Uid:\t");
  take_until(uids, '\t');
  return parse_number<std::uint32_t>(take_until(uids, '\t'));
}

std::string cgroup_of(const std::string& directory) {
  constexpr std::string_view removed = " (deleted)";  // appended for a zombie
  const std::string lines = content_of(directory + "/cgroup");
  std::string_view path = value_of(lines, "0::");
  if (path.ends_with(removed)) path.remove_suffix(removed.size());
  return std::string(path);
}

}  // namespace

Writer describe_writer(std::int64_t pid, const Fd& pidfd, double time) {
  Writer unknown;
  unknown.pid = pid;
  unknown.time = time;
  if (!pidfd) return unknown;
  const std::string directory = directory_of(pidfd);
  if (directory.empty()) return unknown;
  Writer writer = unknown;
  writer.comm = comm_of(directory);
  writer.exe = target_of_link(directory + "/exe");  // empty for a kernel thread or a zombie
  writer.uid = effective_uid(directory);
  writer.cgroup = cgroup_of(directory);
  CgroupNames names = names_of_cgroup(writer.cgroup);
  writer.container = std::move(names.container);
  writer.unit = std::move(names.unit);
  return is_there(pidfd) ? writer : unknown;
}

}  // namespace nswarden
