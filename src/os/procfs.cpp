// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/procfs.hpp>

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include <nswarden/os/file.hpp>

namespace nswarden {
namespace {

// PROC_PID_INIT_INO, which the first PID namespace has on every kernel (kernel fact 55).
constexpr std::uint64_t first_pid_namespace = 0xEFFFFFFC;

std::string& chosen_procfs() {
  static std::string directory = "/proc";
  return directory;
}

}  // namespace

Result<void> use_procfs(std::string directory) {
  struct statfs status {};
  if (::statfs((directory + "/sys/net").c_str(), &status) != 0) return Error{errno, "open sys/net"};
  if (status.f_type != PROC_SUPER_MAGIC) return Error{EMEDIUMTYPE, "check sys/net"};
  chosen_procfs() = std::move(directory);
  return {};
}

const std::string& procfs() { return chosen_procfs(); }

std::string in_procfs(std::string_view path) { return (procfs() + '/').append(path); }

std::vector<std::string> home_sysctls(std::string_view directory) {
  const Fd open = open_directory(in_procfs("sys/net/").append(directory));
  std::vector<std::string> names;
  if (open) (void)read_directory(open.get(), "list sysctls", [&](const char* name, auto) { names.emplace_back(name); });
  return names;
}

bool procfs_is_read_only() {
  struct statvfs status {};
  return ::statvfs(in_procfs("sys/net").c_str(), &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}

std::string kernel_release() {
  auto release = read_file("/proc/sys/kernel/osrelease", 256);
  if (!release.ok()) return "unknown";
  if (release->ends_with('\n')) release->pop_back();
  return *release;
}

bool in_first_pid_namespace() {
  struct stat status {};
  return ::stat("/proc/self/ns/pid", &status) != 0 || status.st_ino == first_pid_namespace;
}

}  // namespace nswarden
