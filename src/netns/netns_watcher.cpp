// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/netns_watcher.hpp>

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <nswarden/os/file.hpp>
#include <nswarden/policy/inotify_events.hpp>

namespace nswarden {

namespace {

// A narrow mask: with IN_OPEN the daemon's own reads would wake it (kernel fact 9). Directories and ancestors share the mask,
// because one inode has one watch (kernel fact 50). Symbolic links in the path are followed: /var/run/netns is a valid name of
// /run/netns.
constexpr std::uint32_t watched_events =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// Events of listings: those of the daemon and of other processes are indistinguishable.
constexpr std::uint32_t listing_events = IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE;
constexpr std::uint32_t own_events = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;

bool is_missing(int error) { return error == ENOENT || error == ENOTDIR; }

}  // namespace

struct NetnsWatcher::Watch {
  std::string directory;
  int wd = -1;
  std::string path;  // path of wd: the directory or an ancestor of it
  [[nodiscard]] bool on_directory() const { return wd >= 0 && path == directory; }
};

/// Whether a watch may have to move, and the events of its directory that indicate it.
struct NetnsWatcher::Moved {
  bool may_have_moved = false;
  std::uint32_t mask = 0;
};

NetnsWatcher::NetnsWatcher(std::vector<std::string> directories) {
  for (std::string& directory : directories) watches_.push_back({std::move(directory), -1, {}});
  rearm();
}

NetnsWatcher::~NetnsWatcher() = default;

bool NetnsWatcher::rearm() {
  bool changed = false;
  if (!mounts_) {
    // The mount namespace of this thread; the thread group leader's may differ (kernel fact 21).
    mounts_.reset(::open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC));
    mounts_state_ = mounts_ ? Result<void>() : Error{errno, "open mountinfo"};
    changed = static_cast<bool>(mounts_);
  }
  if (!inotify_) {
    inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify_) {
      inotify_state_ = Error{errno, "inotify_init"};
      return changed;
    }
    changed = true;
  }
  inotify_state_ = {};
  for (Watch& watch : watches_) changed = update_watch(watch) || changed;
  return changed;
}

bool NetnsWatcher::update_watch(Watch& watch) {
  const bool was_on_directory = watch.on_directory();
  const int before = watch.wd;
  // Repeats after each change, because the directory or an ancestor may have been created between two attempts. It ends when
  // the watch no longer changes, or after 16 rounds for a path that is created and removed all the time; the next sweep tries
  // again.
  for (int round = 0; round < 16; ++round) {
    const int last = watch.wd;
    if (const Result<void> added = add_nearest(watch); !added) {
      inotify_state_ = added;
      watch.wd = -1;
    }
    if (watch.wd == last) break;
    drop(last);
    if (watch.wd < 0 || watch.on_directory()) break;
  }
  return watch.wd != before && (was_on_directory || watch.on_directory());
}

Result<void> NetnsWatcher::add_nearest(Watch& watch) {
  std::string path = watch.directory;
  while (true) {
    const int wd = ::inotify_add_watch(inotify_.get(), path.c_str(), watched_events | requested_events_);
    if (wd >= 0) {
      watch.wd = wd;
      watch.path = std::move(path);
      return {};
    }
    if (!is_missing(errno) || path == "/" || path == ".") return Error{errno, "watch netns directory"};
    path = folder_of(path);
  }
}

void NetnsWatcher::drop(int wd) {
  const bool used = std::any_of(watches_.begin(), watches_.end(), [wd](const Watch& watch) { return watch.wd == wd; });
  if (wd >= 0 && !used) ::inotify_rm_watch(inotify_.get(), wd);
}

std::vector<DirectoryEvent> NetnsWatcher::read() {
  std::vector<DirectoryEvent> events;
  if (!inotify_) return events;
  std::vector<Moved> moved(watches_.size());
  alignas(inotify_event) std::array<char, std::size_t{32} << 10> batch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  // Reads the events pending now, not later ones.
  int waiting = 0;
  if (::ioctl(inotify_.get(), FIONREAD, &waiting) != 0) waiting = 1;
  while (waiting > 0) {
    const ssize_t size = ::read(inotify_.get(), batch.data(), batch.size());
    if (size <= 0) break;
    waiting -= static_cast<int>(size);
    InotifyBuffer buffer({batch.data(), static_cast<std::size_t>(size)});
    while (const auto event = buffer.next()) {
      if ((event->mask & IN_Q_OVERFLOW) != 0) {
        events.push_back({DirectoryEvent::Kind::overflow, 0, {}, event->mask});
        for (Moved& one : moved) one.may_have_moved = true;
      } else {
        handle_event(*event, events, moved);
      }
    }
  }
  for (std::size_t i = 0; i < watches_.size(); ++i) {
    if (!moved[i].may_have_moved || !update_watch(watches_[i])) continue;
    events.push_back({DirectoryEvent::Kind::directory, static_cast<std::uint16_t>(i), {}, moved[i].mask});
  }
  return events;
}

void NetnsWatcher::handle_event(const RawInotifyEvent& event, std::vector<DirectoryEvent>& events, std::vector<Moved>& moved) {
  for (std::size_t i = 0; i < watches_.size(); ++i) {
    if (watches_[i].wd != event.wd) continue;
    const bool own = watches_[i].on_directory();
    if ((event.mask & (own_events | IN_IGNORED)) != 0 || (!own && (event.mask & watched_events) != 0)) {
      moved[i].may_have_moved = true;
      if (own) moved[i].mask |= event.mask & (own_events | IN_IGNORED);
    } else if (own && (!event.name.empty() || (event.mask & listing_events) == 0)) {
      events.push_back({DirectoryEvent::Kind::entry, static_cast<std::uint16_t>(i), std::string(event.name), event.mask});
    }
  }
}

void NetnsWatcher::request_events(std::uint32_t events) {
  requested_events_ = events & inotify_requestable;
  // Adding a watch again updates its mask and loses no pending event (kernel fact 50).
  for (Watch& watch : watches_) {
    if (watch.wd >= 0) (void)::inotify_add_watch(inotify_.get(), watch.path.c_str(), watched_events | requested_events_);
  }
}

}  // namespace nswarden
