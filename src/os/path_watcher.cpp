// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/path_watcher.hpp>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <utility>

#include <nswarden/os/trusted_path.hpp>

namespace nswarden {
namespace {

// Not IN_CREATE but for links: a file that was just created is still to be written, and tells when it is closed. Not IN_MODIFY.
constexpr std::uint32_t telling = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t watched_in_folders = telling | IN_CREATE | IN_ONLYDIR;

bool is_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_link(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

}  // namespace

void PathWatcher::watch(std::vector<Path> paths) {
  paths_ = std::move(paths);
  add_watches();
}

/// Of each path its folder, and of a folder itself too.
void PathWatcher::add_watches() {
  error_ = {};
  if (!inotify_ && !paths_.empty()) inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_) {
    if (!paths_.empty()) error_ = {errno, "inotify_init"};
    return;
  }
  std::set<std::string> folders;
  for (const Path& path : paths_) {
    folders.insert(folder_of(path.path));
    if (is_folder(path.path)) folders.insert(path.path);
  }
  for (auto known = watches_.begin(); known != watches_.end();) {
    if (folders.contains(known->first)) {
      ++known;
      continue;
    }
    ::inotify_rm_watch(inotify_.get(), known->second);
    known = watches_.erase(known);
  }
  for (const std::string& folder : folders) {
    const int wd = ::inotify_add_watch(inotify_.get(), folder.c_str(), watched_in_folders);
    if (wd >= 0) {
      watches_[folder] = wd;
    } else if (errno != ENOENT && errno != ENOTDIR) {
      error_ = {errno, "watch folder of configuration"};
    }
  }
}

/// What was written just now may be half written, unless an event told that it was closed, or moved into place: that of the
/// folder tells of what is in it.
bool PathWatcher::look(const std::set<std::string>& told) {
  bool changed = false;
  for (Path& path : paths_) {
    const std::uint64_t now = fingerprint(path.path);
    if (now == path.print) continue;
    // A link that leads elsewhere leads to what was made before it (a ConfigMap).
    const bool is_done = told.contains(path.path) || is_folder(path.path) || is_link(path.path) || is_settled(path.path);
    if (!is_done) continue;
    path.print = now;
    changed = true;
  }
  return changed;
}

bool PathWatcher::rearm() {
  add_watches();
  return look({});
}

Result<void> PathWatcher::state() const {
  if (error_.code != 0) return error_;
  return {};
}

bool PathWatcher::read_changed() {
  if (!inotify_) return false;
  bool tells = false;
  std::set<std::string> told;
  alignas(inotify_event) std::array<char, 4096> batch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (ssize_t size = 0; (size = ::read(inotify_.get(), batch.data(), batch.size())) > 0;) {
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(batch.data() + at);
      at += static_cast<ssize_t>(sizeof *event + event->len);
      tells = tells || (event->mask & (telling | IN_Q_OVERFLOW)) != 0;
      if (event->len == 0) continue;
      for (const auto& [folder, wd] : watches_) {
        if (wd != event->wd) continue;
        const std::string path = folder + '/' + event->name;
        const bool is_there = (event->mask & IN_CREATE) == 0 || is_link(path);
        tells = tells || is_there;
        if (is_there) told.insert(path);
      }
    }
  }
  if (!tells) return false;
  add_watches();
  return look(told);
}

}  // namespace nswarden
