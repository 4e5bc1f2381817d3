// SPDX-License-Identifier: Apache-2.0
#include "netns/glob_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include <nswarden/base/text.hpp>

namespace nswarden {

namespace {

bool has_glob(std::string_view component) { return component.find_first_of("*?[") != std::string_view::npos; }

}  // namespace

Result<std::vector<Key>> GlobWalk::find(const SysctlTree& tree, std::span<const KeyPattern* const> globs) {
  std::vector<Key> found;
  read_.clear();
  for (const KeyPattern* glob : globs) {
    if (const Result<void> walked = walk(tree, *glob, found); !walked) return walked.error();
  }
  read_.clear();
  // Directories of single interfaces go with these, and would pile up.
  std::set<std::string_view> stay;
  for (const KeyPattern* glob : globs) {
    const std::string_view path = glob->path();
    stay.insert(path.substr(0, path.rfind('/', path.find_first_of("*?["))));
  }
  std::erase_if(directories_, [&stay](const auto& one) { return !stay.contains(one.first); });
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
      if (!has_glob(component)) {
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
  const int fd = open->second.get();
  if (::lseek(fd, 0, SEEK_SET) != 0) return Error{errno, "read directory of sysctls"};
  alignas(dirent64) std::array<char, std::size_t{8} << 10> batch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (true) {
    const ssize_t size = ::getdents64(fd, batch.data(), batch.size());
    if (size < 0 && errno == ENOENT) {
      // The directory itself has gone: of an interface, say. One of that name that comes later is another.
      directories_.erase(open);
      return &names;
    }
    if (size < 0) return Error{errno, "read directory of sysctls"};
    if (size == 0) return &names;
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(batch.data() + at);
      at += entry->d_reclen;
      if (!is_dots(entry->d_name)) names.push_back({entry->d_name, entry->d_type == DT_DIR});
    }
  }
}

}  // namespace nswarden
