// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/mount_propagation.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <nswarden/base/text.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {
namespace {

constexpr std::size_t largest_mount_table = std::size_t{64} << 20;

/// One line of mountinfo, see proc_pid_mountinfo(5). Peer group numbers are the same in all namespaces (kernel fact 56); 0
/// means no group.
struct Mount {
  std::uint64_t id = 0;     // also global: two tables with a common mount belong to one namespace
  std::string_view device;  // "0:21"
  std::string_view root;
  std::string_view point;
  std::uint64_t shared = 0;
  bool slave = false;
};

Mount parse(std::string_view line) {
  Mount mount;
  mount.id = parse_number<std::uint64_t>(take_until(line, ' ')).value_or(0);
  take_until(line, ' ');  // parent
  mount.device = take_until(line, ' ');
  mount.root = take_until(line, ' ');
  mount.point = take_until(line, ' ');
  take_until(line, ' ');  // options
  constexpr std::string_view shared = "shared:";
  for (std::string_view field = take_until(line, ' '); !field.empty() && field != "-"; field = take_until(line, ' ')) {
    if (field.starts_with(shared)) mount.shared = parse_number<std::uint64_t>(field.substr(shared.size())).value_or(0);
    mount.slave = mount.slave || field.starts_with("master:");
  }
  return mount;
}

/// The mounts point into `table`.
std::vector<Mount> parse_all(std::string_view table) {
  std::vector<Mount> mounts;
  while (!table.empty()) mounts.push_back(parse(take_until(table, '\n')));
  return mounts;
}

/// Id of the mount that holds `path` or its nearest existing ancestor.
std::optional<std::uint64_t> mount_id(std::string path) {
  struct statx status {};
  while (::statx(AT_FDCWD, path.c_str(), AT_NO_AUTOMOUNT, STATX_MNT_ID, &status) != 0) {
    const std::size_t slash = path.rfind('/');
    if ((errno != ENOENT && errno != ENOTDIR) || slash == std::string::npos || path == "/") return std::nullopt;
    path.resize(std::max(slash, std::size_t{1}));
  }
  if ((status.stx_mask & STATX_MNT_ID) == 0) return std::nullopt;
  return status.stx_mnt_id;
}

/// A bind mount of part of another file system that receives no propagation. `ip netns add` also makes a bind mount, but a
/// shared one.
bool is_plain_bind(const Mount& mount) { return mount.root != "/" && mount.point != "/" && mount.shared == 0; }

const Mount* find_mount(const std::vector<Mount>& mounts, std::uint64_t id) {
  const auto found = std::find_if(mounts.begin(), mounts.end(), [id](const Mount& mount) { return mount.id == id; });
  return found == mounts.end() ? nullptr : &*found;
}

/// Device of the mount at /proc. The last of several stacked mounts is the visible one.
std::string_view device_of_proc(const std::vector<Mount>& mounts) {
  const auto last = std::find_if(mounts.rbegin(), mounts.rend(), [](const Mount& mount) { return mount.point == "/proc"; });
  return last == mounts.rend() ? std::string_view() : last->device;
}

}  // namespace

OutsideMounts outside_mounts(const std::string& directory, const std::string& outside) {
  const std::optional<std::uint64_t> id = mount_id(directory);
  const Result<std::string> table = read_file("/proc/thread-self/mountinfo", largest_mount_table);
  if (!id || !table) return OutsideMounts::unknown;
  const std::vector<Mount> mounts = parse_all(*table);
  const Mount* own = find_mount(mounts, *id);
  if (own == nullptr) return OutsideMounts::unknown;
  if (own->slave) return OutsideMounts::visible;
  const bool cut_off = is_plain_bind(*own) && !in_first_pid_namespace();

  const Result<std::string> other_table = read_file(outside + "/mountinfo", largest_mount_table);
  if (!other_table) return cut_off ? OutsideMounts::invisible : OutsideMounts::unknown;
  const std::vector<Mount> other_mounts = parse_all(*other_table);
  const bool same_namespace = find_mount(other_mounts, own->id) != nullptr;
  if (same_namespace) return cut_off ? OutsideMounts::invisible : OutsideMounts::visible;
  const bool peers = own->shared != 0 && std::any_of(other_mounts.begin(), other_mounts.end(),
                                                     [&](const Mount& other) { return other.shared == own->shared; });
  return peers ? OutsideMounts::visible : OutsideMounts::invisible;
}

bool is_shared_with_container(const std::string& directory, const std::string& first_process) {
  if (in_first_pid_namespace()) return false;
  const std::optional<std::uint64_t> id = mount_id(directory);
  const Result<std::string> table = read_file(first_process + "/mountinfo", largest_mount_table);
  if (!id || !table) return false;
  const std::vector<Mount> mounts = parse_all(*table);
  const Mount* mount = find_mount(mounts, *id);
  return mount != nullptr && mount->point != "/" && mount->shared == 0 && (mount->slave || mount->root != "/");
}

ProcfsOrigin procfs_origin(const std::string& directory, const std::string& outside) {
  struct stat status {};
  const Result<std::string> table = read_file(outside + "/mountinfo", largest_mount_table);
  if (!table || ::stat(directory.c_str(), &status) != 0) return ProcfsOrigin::unknown;
  const std::string_view other_device = device_of_proc(parse_all(*table));
  if (other_device.empty()) return ProcfsOrigin::unknown;
  const std::string own_device = std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev));
  return other_device == own_device ? ProcfsOrigin::shared : ProcfsOrigin::own;
}

}  // namespace nswarden
