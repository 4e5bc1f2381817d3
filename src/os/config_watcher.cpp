// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/config_watcher.hpp>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <string_view>
#include <utility>

namespace nswarden {
namespace {

// IN_CREATE for links alone: a file that was just created is still to be written.
constexpr std::uint32_t watched_changes =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

using std::chrono::nanoseconds;
using std::chrono::seconds;

nanoseconds since_1970(const timespec& time) { return seconds(time.tv_sec) + nanoseconds(time.tv_nsec); }

/// Whoever wrote the file is probably done. A time in the future, by another host's clock, says nothing and must not stop us.
bool is_settled(nanoseconds written) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::chrono::abs(since_1970(now) - written) > seconds(1);
}

}  // namespace

ConfigWatcher::ConfigWatcher(std::string path) : path_(std::move(path)) {
  const std::size_t slash = path_.rfind('/');
  directory_ = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  name_ = slash == std::string::npos ? path_ : path_.substr(slash + 1);
  rearm();
  seen_ = identify();
}

Result<void> ConfigWatcher::state() const {
  if (error_.code != 0) return error_;
  return {};
}

ConfigWatcher::Identity ConfigWatcher::identify() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, since_1970(status.st_mtim)};
}

bool ConfigWatcher::is_link() const {
  struct stat status {};
  return ::lstat(path_.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

bool ConfigWatcher::rearm() {
  if (!inotify_) inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_) {
    error_ = {errno, "inotify_init"};
    blind_ = true;
    return is_other(false);
  }
  const int wd = ::inotify_add_watch(inotify_.get(), directory_.c_str(), watched_changes);
  error_ = wd >= 0 ? Error{} : Error{errno, "watch configuration directory"};
  blind_ = blind_ || wd < 0;
  if (wd == wd_ && !blind_) return false;
  const bool found = wd != wd_ && wd >= 0;
  if (wd_ >= 0 && wd != wd_) ::inotify_rm_watch(inotify_.get(), wd_);
  wd_ = wd;
  return is_other(found);
}

bool ConfigWatcher::is_other(bool directory_found) {
  const Identity now = identify();
  const bool other = now.inode != 0 && now != seen_;
  const bool changed = other && ((directory_found && !now.same_file(seen_)) || (blind_ && is_settled(now.written)));
  if (changed) seen_ = now;
  // A file that was just written without being watched is looked at again, as no event may follow.
  if (wd_ >= 0 && (changed || !other)) blind_ = false;
  return changed;
}

bool ConfigWatcher::read_changed() {
  if (!inotify_) return false;
  bool changed = false;
  bool lost_directory = false;
  bool look_at_link = false;
  alignas(inotify_event) std::array<char, 4096> batch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (ssize_t size = 0; (size = ::read(inotify_.get(), batch.data(), batch.size())) > 0;) {
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(batch.data() + at);
      at += static_cast<ssize_t>(sizeof *event + event->len);
      if ((event->mask & IN_Q_OVERFLOW) != 0) changed = true;
      if (event->wd != wd_) continue;
      const bool named = event->len > 0 && std::string_view(event->name) == name_;
      if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0) lost_directory = true;
      // IN_ATTRIB: a file that others could write is refused, and read again when they no longer can.
      if (named && (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB)) != 0) changed = true;
      if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0) look_at_link = true;
    }
  }
  if (lost_directory && rearm()) changed = true;
  const Identity now = identify();
  // Only a link: a plain file that is another one than before may have been created just now, and tells when it is closed.
  if (look_at_link && now.inode != 0 && !now.same_file(seen_) && is_link()) changed = true;
  if (changed) seen_ = now;
  return changed;
}

}  // namespace nswarden
