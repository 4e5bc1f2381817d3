// SPDX-License-Identifier: Apache-2.0
// NetnsWatcher reports early that a netns directory changed. It uses inotify on each directory (or on the nearest existing
// ancestor of an absent one) and the mount table, because a mount causes no inotify event (kernel facts 1, 2, 9). An event is
// only a hint to check again. It reports the creation and removal of a symbolic link, but not changes of its target, which the
// sweep finds. Loop thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/os/inotify_buffer.hpp>

namespace nswarden {

struct DirectoryEvent {
  enum class Kind : std::uint8_t {
    entry,      ///< `name` in `directory` may have changed; `mask` as from inotify. An empty name: IN_ATTRIB of the directory
                ///< itself
    directory,  ///< the directory itself was created, removed or replaced: list it again. `mask` holds its own events:
                ///< IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT, IN_IGNORED; 0 if an ancestor reported the change
    overflow,   ///< the kernel dropped events: list everything again
  };
  Kind kind = Kind::entry;
  std::uint16_t directory = 0;
  std::string name;
  std::uint32_t mask = 0;
};

class NetnsWatcher {
 public:
  /// Never fails: a source that is unavailable is down, its state holds the error, and rearm() tries it again.
  explicit NetnsWatcher(std::vector<std::string> directories);
  ~NetnsWatcher();
  NetnsWatcher(const NetnsWatcher&) = delete;
  NetnsWatcher& operator=(const NetnsWatcher&) = delete;

  /// Poll for POLLIN; -1 while inotify is unavailable. Constant even while some watches are missing.
  [[nodiscard]] int inotify_fd() const { return inotify_.get(); }
  /// Poll for POLLPRI (the poll consumes the event, so there is nothing to read); -1 while unavailable.
  [[nodiscard]] int mounts_fd() const { return mounts_.get(); }

  /// Moves each watch to the current target of its path; cheap if nothing changed. True if everything must be listed again: a
  /// directory was replaced, created or removed, or a source is new and earlier changes are unknown. Poll a new fd before
  /// listing: a mount between its opening and its first poll is lost too (kernel fact 49). Called at start, after a mount event
  /// and before each sweep.
  bool rearm();

  /// Reports these events too (a mask of inotify(7)), in addition to those that announce netns; initially no others. Reads of a
  /// directory are never reported, because the daemon reads it all the time.
  void request_events(std::uint32_t events);

  /// Returns all pending events, without blocking.
  std::vector<DirectoryEvent> read();

  /// Errors of the sources; ok when up.
  [[nodiscard]] Result<void> inotify_state() const { return inotify_state_; }
  [[nodiscard]] Result<void> mounts_state() const { return mounts_state_; }

 private:
  struct Watch;
  struct Moved;
  bool update_watch(Watch& watch);
  Result<void> add_nearest(Watch& watch);
  void drop(int wd);
  void handle_event(const RawInotifyEvent& event, std::vector<DirectoryEvent>& events, std::vector<Moved>& moved);

  std::vector<Watch> watches_;
  std::uint32_t requested_events_ = 0;
  Fd inotify_;
  Fd mounts_;
  Result<void> inotify_state_;
  Result<void> mounts_state_;
};

}  // namespace nswarden
