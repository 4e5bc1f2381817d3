// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/path_watcher.hpp>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/inotify_buffer.hpp>

namespace nswarden {
namespace {

// IN_CREATE counts for links alone: a new regular file is still to be written, and its close is reported. IN_MODIFY is not
// watched. IN_ATTRIB: a file that other users could write is rejected, and read again once they no longer can.
constexpr std::uint32_t file_events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB;
constexpr std::uint32_t named_path_events =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t folder_removal_events = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;
constexpr std::uint32_t watched_folder_events = file_events | named_path_events | IN_CREATE | IN_ONLYDIR;

bool is_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_link(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

}  // namespace

PathWatcher::PathWatcher(std::string file) : file_(std::move(file)) {
  add_watches();
  seen_ = identity_of(file_);
  folder_found_ = false;
}

void PathWatcher::watch(std::vector<Path> named) {
  named_ = std::move(named);
  add_watches();
}

/// All zeros if the file is absent.
PathWatcher::Identity PathWatcher::identity_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino,
          std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec)};
}

int PathWatcher::watch_of(const std::string& folder) const {
  const auto watch = watches_.find(folder);
  return watch == watches_.end() ? -1 : watch->second;
}

/// Watches the folder of each path, and a named folder itself.
void PathWatcher::add_watches() {
  file_error_ = named_error_ = {};
  if (!inotify_) inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_) {
    file_error_ = {errno, "inotify_init"};
    may_have_missed_ = true;
    return;
  }
  const std::string folder_of_file = folder_of(file_);
  std::set<std::string> folders{folder_of_file};
  for (const Path& path : named_) {
    folders.insert(folder_of(path.path));
    if (is_folder(path.path)) folders.insert(path.path);
  }
  std::map<std::string, int> watches;
  std::set<int> used;  // a folder with two names has one watch
  for (const std::string& folder : folders) {
    const int wd = ::inotify_add_watch(inotify_.get(), folder.c_str(), watched_folder_events);
    if (wd >= 0) {
      watches[folder] = wd;
      used.insert(wd);
    } else if (folder == folder_of_file) {
      file_error_ = {errno, "watch configuration directory"};
    } else if (errno != ENOENT && errno != ENOTDIR) {
      named_error_ = {errno, "watch folder of configuration"};
    }
  }
  const int before = watch_of(folder_of_file);
  for (const auto& [folder, wd] : std::exchange(watches_, std::move(watches))) {
    if (!used.contains(wd)) ::inotify_rm_watch(inotify_.get(), wd);
  }
  const int now = watch_of(folder_of_file);
  may_have_missed_ = may_have_missed_ || now < 0;
  folder_found_ = now >= 0 && (folder_found_ || now != before);
}

/// Whether the file has changed since seen_ without an event.
bool PathWatcher::file_replaced() {
  const bool found = std::exchange(folder_found_, false);
  if (!found && !may_have_missed_) return false;
  const Identity now = identity_of(file_);
  const bool other = now.inode != 0 && now != seen_;
  const bool changed = other && ((found && !now.same_file(seen_)) || (may_have_missed_ && is_settled(file_)));
  if (changed) seen_ = now;
  // A file that was written recently without a watch is checked again, because no event may follow.
  if (watch_of(folder_of(file_)) >= 0 && (changed || !other)) may_have_missed_ = false;
  return changed;
}

/// A named path with a recent write may be incomplete, unless an event reported its close or its move into place. An event in a
/// folder reports the entry.
bool PathWatcher::check_named_paths(const std::set<std::string>& completed_paths) {
  bool changed = false;
  for (Path& path : named_) {
    const std::uint64_t now = fingerprint(path.path);
    if (now == path.print) continue;
    // The target of a changed link was created before the link (a ConfigMap).
    const bool is_complete =
        completed_paths.contains(path.path) || is_folder(path.path) || is_link(path.path) || is_settled(path.path);
    if (!is_complete) continue;
    path.print = now;
    changed = true;
  }
  return changed;
}

bool PathWatcher::rearm() {
  add_watches();
  const bool named_changed = check_named_paths({});
  return file_replaced() || named_changed;
}

Result<void> PathWatcher::state() const {
  if (file_error_.code != 0) return file_error_;
  if (named_error_.code != 0) return named_error_;
  return {};
}

PathWatcher::Events PathWatcher::read_events() {
  Events events;
  const std::string folder_of_file = folder_of(file_);
  alignas(inotify_event) std::array<char, 4096> batch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (ssize_t size = 0; (size = ::read(inotify_.get(), batch.data(), batch.size())) > 0;) {
    InotifyBuffer buffer({batch.data(), static_cast<std::size_t>(size)});
    while (const auto event = buffer.next()) {
      if ((event->mask & IN_Q_OVERFLOW) != 0) events.file = events.named = true;
      events.named = events.named || (event->mask & named_path_events) != 0;
      for (const auto& [folder, wd] : watches_) {
        if (wd != event->wd) continue;
        const std::string path = folder + '/' + std::string(event->name);
        if (folder == folder_of_file) {
          const bool is_file = !event->name.empty() && event->name == last_component(file_);
          events.file = events.file || (is_file && (event->mask & file_events) != 0);
          events.sibling_added = events.sibling_added || (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0;
          events.folder_removed = events.folder_removed || (event->mask & folder_removal_events) != 0;
        }
        const bool is_complete = (event->mask & named_path_events) != 0 || ((event->mask & IN_CREATE) != 0 && is_link(path));
        if (event->name.empty() || !is_complete) continue;
        events.named = true;
        events.completed_paths.insert(path);
      }
    }
  }
  return events;
}

bool PathWatcher::read_changed() {
  if (!inotify_) return false;
  const Events events = read_events();
  if (events.named || events.folder_removed) add_watches();
  bool changed = events.file;
  if ((events.folder_removed || folder_found_) && file_replaced()) changed = true;
  const Identity now = identity_of(file_);
  // Only for a link: a regular file that was replaced may be incomplete, and its close is reported later.
  if (events.sibling_added && now.inode != 0 && !now.same_file(seen_) && is_link(file_)) changed = true;
  if (changed) seen_ = now;
  const bool named_changed = events.named && check_named_paths(events.completed_paths);
  return changed || named_changed;
}

}  // namespace nswarden
