// SPDX-License-Identifier: Apache-2.0
#include "netns/sysctl_tree.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <system_error>

#include <nswarden/os/procfs.hpp>

namespace nswarden {
namespace {

constexpr int always = O_NOFOLLOW | O_CLOEXEC;

int open_confined(int directory, const char* path, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | always);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}

}  // namespace

SysctlTree::SysctlTree() : SysctlTree(Walk::openat2) {
  const Fd probe(open_confined(root_.get(), ".", O_PATH | O_DIRECTORY));
  if (!probe) walk_ = Walk::by_step;
}

SysctlTree::SysctlTree(Walk walk) : root_(::open(in_procfs("sys/net").c_str(), O_PATH | O_DIRECTORY | always)), walk_(walk) {
  struct stat status {};
  if (!root_ || ::fstat(root_.get(), &status) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot open " + in_procfs("sys/net"));
  }
  device_ = status.st_dev;
}

Result<Fd> SysctlTree::open_below(int directory, const char* path, int flags) const {
  if (walk_ == Walk::by_step) return open_by_step(directory, path, flags);
  Fd fd(open_confined(directory, path, flags));
  if (!fd) return Error{errno, "open sysctl"};
  return fd;
}

Result<Fd> SysctlTree::open_by_step(int directory, std::string_view path, int flags) const {
  Fd here;
  while (true) {
    const std::size_t end = path.find('/');
    const std::string component(path.substr(0, end));
    if (component.empty() || component == "." || component == "..") return Error{EXDEV, "open sysctl"};
    Fd next(::openat(here ? here.get() : directory, component.c_str(), O_PATH | always));
    struct stat status {};
    if (!next || ::fstat(next.get(), &status) != 0) return Error{errno, "open sysctl"};
    if (status.st_dev != device_) return Error{EXDEV, "open sysctl"};
    if (S_ISLNK(status.st_mode)) return Error{ELOOP, "open sysctl"};
    here = std::move(next);
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  std::array<char, 32> link{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", here.get());
  Fd opened(::open(link.data(), (flags & ~O_NOFOLLOW) | O_CLOEXEC));
  if (!opened) return Error{errno, "open sysctl"};
  return opened;
}

Result<int> FamilyDirectories::get(const SysctlTree& tree, std::string_view family) {
  for (const auto& [name, fd] : opened_) {
    if (name == family) return fd.get();
  }
  const std::string path(family);
  Result<Fd> fd = tree.open_below(tree.root(), path.c_str(), O_PATH | O_DIRECTORY);
  if (!fd) return fd.error();
  const int number = fd->get();
  opened_.emplace_back(path, std::move(*fd));
  return number;
}

}  // namespace nswarden
