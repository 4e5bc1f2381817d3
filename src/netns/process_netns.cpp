// SPDX-License-Identifier: Apache-2.0
#include "netns/process_netns.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {

namespace {

constexpr std::string_view opening = "net:[";
constexpr std::string_view closing = "]";

}  // namespace

std::string ProcessNetns::name_of(std::uint64_t inode) { return std::string(opening) + std::to_string(inode).append(closing); }

std::uint64_t ProcessNetns::inode_of(std::string_view name) {
  if (!name.starts_with(opening) || !name.ends_with(closing)) return 0;
  name.remove_prefix(opening.size());
  name.remove_suffix(closing.size());
  // As the kernel writes it.
  return name.starts_with('0') ? 0 : parse_number<std::uint64_t>(name).value_or(0);
}

Result<std::vector<std::uint64_t>> ProcessNetns::scan() {
  const DirectoryStream processes(::opendir(procfs().c_str()));
  if (!processes) return Error{errno, "list processes"};
  std::unordered_map<std::uint64_t, std::vector<int>> found;
  std::vector<std::uint64_t> inodes;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(processes.get());  // NOLINT(concurrency-mt-unsafe): one stream, one thread
    if (entry == nullptr && errno != 0) return Error{errno, "list processes"};
    if (entry == nullptr) break;
    const std::optional<int> pid = parse_number<int>(static_cast<const char*>(entry->d_name));
    if (!pid) continue;
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "%d/ns/net", *pid);
    std::array<char, 64> name{};
    // The kernel writes the text of the link. Reading it fails where the process is gone by now, a zombie, or of a user that the
    // daemon may not look at.
    const ssize_t size = ::readlinkat(::dirfd(processes.get()), path.data(), name.data(), name.size());
    if (size <= 0) continue;
    const std::uint64_t inode = inode_of({name.data(), static_cast<std::size_t>(size)});
    if (inode == 0) continue;
    std::vector<int>& pids = found[inode];
    if (pids.empty()) inodes.push_back(inode);
    if (pids.size() < most_pids) pids.push_back(*pid);
  }
  pids_ = std::move(found);
  return inodes;
}

std::vector<NetnsPath> ProcessNetns::paths_of(std::string_view name) const {
  std::vector<NetnsPath> paths;
  const auto known = pids_.find(inode_of(name));
  if (known == pids_.end()) return paths;
  // The link there is the kernel's own: it leads to the file of the netns, not to its text.
  for (const int pid : known->second) paths.push_back({in_procfs(std::to_string(pid) + "/ns/net"), Links::follow});
  return paths;
}

}  // namespace nswarden
