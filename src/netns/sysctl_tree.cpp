// SPDX-License-Identifier: Apache-2.0
#include "netns/sysctl_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>
#include <system_error>

#include <nswarden/base/text.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {
namespace {

constexpr int required_flags = O_NOFOLLOW | O_CLOEXEC;
constexpr std::string_view glob_characters = "*?[";

int open_confined(int directory, const char* path, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | required_flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}

}  // namespace

SysctlTree::SysctlTree() : SysctlTree(Walk::openat2) {
  const Fd probe(open_confined(root_.get(), ".", O_PATH | O_DIRECTORY));
  if (!probe) walk_ = Walk::by_step;
}

SysctlTree::SysctlTree(Walk walk)
    : root_(::open(in_procfs("sys/net").c_str(), O_PATH | O_DIRECTORY | required_flags)), walk_(walk) {
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
  for (bool last = false; !last;) {
    last = path.find('/') == std::string_view::npos;
    const std::string component(take_until(path, '/'));
    if (component.empty() || component == "." || component == "..") return Error{EXDEV, "open sysctl"};
    Fd next(::openat(here ? here.get() : directory, component.c_str(), O_PATH | required_flags));
    struct stat status {};
    if (!next || ::fstat(next.get(), &status) != 0) return Error{errno, "open sysctl"};
    if (status.st_dev != device_) return Error{EXDEV, "open sysctl"};
    if (S_ISLNK(status.st_mode)) return Error{ELOOP, "open sysctl"};
    here = std::move(next);
  }
  Fd opened(::open(path_of_fd(here.get()).c_str(), (flags & ~O_NOFOLLOW) | O_CLOEXEC));
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

Result<std::vector<Key>> GlobWalk::find(const SysctlTree& tree, std::span<const KeyPattern* const> globs) {
  std::vector<Key> found;
  read_.clear();
  for (const KeyPattern* glob : globs) {
    if (const Result<void> walked = walk(tree, *glob, found); !walked) return walked.error();
  }
  read_.clear();
  // Directories of single interfaces disappear with their interfaces; keeping them would leak fds.
  std::set<std::string_view> in_use;
  for (const KeyPattern* glob : globs) {
    const std::string_view path = glob->path();
    in_use.insert(path.substr(0, path.rfind('/', path.find_first_of(glob_characters))));
  }
  std::erase_if(directories_, [&in_use](const auto& one) { return !in_use.contains(one.first); });
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Result<void> GlobWalk::walk(const SysctlTree& tree, const KeyPattern& glob, std::vector<Key>& found) {
  std::vector<std::string> paths{std::string()};
  std::string_view rest = glob.path();
  while (!rest.empty()) {
    const std::string_view component = take_until(rest, '/');
    std::vector<std::string> next;
    for (std::string& path : paths) {
      const std::string start = path.empty() ? path : path + '/';
      if (component.find_first_of(glob_characters) == std::string_view::npos) {
        next.push_back(start + std::string(component));
        continue;
      }
      const auto names = names_in(tree, path);
      if (!names) return names.error();
      for (const Name& name : **names) {
        if (name.is_directory != rest.empty() && matches_glob(component, name.text)) next.push_back(start + name.text);
      }
    }
    paths = std::move(next);
  }
  for (const std::string& path : paths) {
    std::optional<Key> key = Key::at(path);
    if (key && glob.matches(*key)) found.push_back(*std::move(key));
  }
  return {};
}

Result<const GlobWalk::Names*> GlobWalk::names_in(const SysctlTree& tree, const std::string& directory) {
  const auto [known, is_new] = read_.try_emplace(directory);
  Names& names = known->second;
  if (!is_new) return &names;
  auto open = directories_.find(directory);
  if (open == directories_.end()) {
    Result<Fd> fd = tree.open_below(tree.root(), directory.c_str(), O_RDONLY | O_DIRECTORY);
    if (!fd && is_exhausted(fd.error().code)) return fd.error();
    if (!fd) return &names;
    open = directories_.emplace(directory, std::move(*fd)).first;
  }
  constexpr std::string_view attempt = "read sysctl directory";
  const int fd = open->second.get();
  if (::lseek(fd, 0, SEEK_SET) != 0) return Error{errno, attempt};
  const Result<void> read = read_directory(fd, attempt, [&names](const char* name, unsigned char type) {
    names.push_back({name, type == DT_DIR});
  });
  if (!read && read.error().code != ENOENT) return read.error();
  // The directory was removed, such as that of an interface. A later directory of that name is another one.
  if (!read) directories_.erase(open);
  return &names;
}

}  // namespace nswarden
