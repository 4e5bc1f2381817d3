// SPDX-License-Identifier: Apache-2.0
#include "netns/procfs_origin.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <nswarden/os/file.hpp>

namespace nswarden {
namespace {

constexpr std::size_t largest_table = std::size_t{64} << 20;

std::string_view cut_off(std::string_view& rest, char end) {
  const std::string_view first = rest.substr(0, rest.find(end));
  rest.remove_prefix(std::min(first.size() + 1, rest.size()));
  return first;
}

/// Device of what is mounted at /proc, as the table writes it: "0:21". Of several on top of each other the last is seen.
std::string_view device_of_proc(std::string_view table) {
  std::string_view device;
  while (!table.empty()) {
    std::string_view line = cut_off(table, '\n');
    // Mount, parent, device, root, mount point; see proc_pid_mountinfo(5).
    std::array<std::string_view, 5> fields{};
    for (std::string_view& field : fields) field = cut_off(line, ' ');
    if (fields[4] == "/proc") device = fields[2];
  }
  return device;
}

}  // namespace

ProcfsOrigin procfs_origin(const std::string& directory, const std::string& outside) {
  struct stat status {};
  const Result<std::string> table = read_file(outside + "/mountinfo", largest_table);
  if (!table || ::stat(directory.c_str(), &status) != 0) return ProcfsOrigin::unknown;
  const std::string_view theirs = device_of_proc(*table);
  if (theirs.empty()) return ProcfsOrigin::unknown;
  const std::string ours = std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev));
  return theirs == ours ? ProcfsOrigin::shared : ProcfsOrigin::own;
}

}  // namespace nswarden
