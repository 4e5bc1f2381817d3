// SPDX-License-Identifier: Apache-2.0
// NetnsWatcher reports early that something changed in the netns directories: by inotify on each directory (or on its nearest existing
// ancestor while it is absent), and by the mount table, since no inotify event marks a mount (kernel facts 1, 2, 9). It decides
// nothing: every event only says "look again". It reports that a symbolic link came or went, not changes of the file behind it: the
// sweep finds those. Loop thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>
#include <nswarden/os/inotify_buffer.hpp>

namespace nswarden {

struct DirectoryEvent {
  enum class What : std::uint8_t {
    entry,  ///< `name` in `directory` may have changed; `mask` as inotify gave it. An empty name: the directory's own IN_ATTRIB
    directory,  ///< the directory itself came, went or was replaced: list it again. `mask` is what the directory said of itself:
                ///< IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT, IN_IGNORED; 0 when it is known from one above it
    overflow,   ///< the kernel dropped events: list everything again
  };
  What what = What::entry;
  std::uint16_t directory = 0;
  std::string name;
  std::uint32_t mask = 0;
};

class NetnsWatcher {
 public:
  /// Never fails: a source that cannot be had is down, with its error, and rearm() tries it again.
  explicit NetnsWatcher(std::vector<std::string> directories);
  ~NetnsWatcher();
  NetnsWatcher(const NetnsWatcher&) = delete;
  NetnsWatcher& operator=(const NetnsWatcher&) = delete;

  /// To be polled for POLLIN; -1 while there is none. It stays the same while some watches cannot be had.
  [[nodiscard]] int inotify_fd() const { return inotify_.get(); }
  /// To be polled for POLLPRI (a poll consumes the event: nothing is to be read); -1 while there is none.
  [[nodiscard]] int mounts_fd() const { return mounts_.get(); }

  /// Makes each watch sit on what its path leads to now; cheap when nothing changed. True when all must be listed
  /// again: a directory was found replaced, come or gone, or a source is new and nothing is known of the time before it. An fd
  /// that is new is to be polled first: a mount between its opening and its poller is lost too (kernel fact 49). Called at
  /// start, after a mount event, before each sweep.
  bool rearm();

  /// Reports these too (a mask of inotify(7)), besides those that show which netns there are; none at first. Reading a directory
  /// is never reported, because the daemon does so all the time.
  void ask_for(std::uint32_t events);

  /// All events that wait, without blocking.
  std::vector<DirectoryEvent> read();

  /// Errors of the sources; ok when up.
  [[nodiscard]] Result<void> inotify_state() const { return inotify_state_; }
  [[nodiscard]] Result<void> mounts_state() const { return mounts_state_; }

 private:
  struct Watch;
  struct Moved;
  bool place(Watch& watch);
  Result<void> add_nearest(Watch& watch);
  void drop(int wd);
  void take(const RawInotifyEvent& event, std::vector<DirectoryEvent>& events, std::vector<Moved>& moved);

  std::vector<Watch> watches_;
  std::uint32_t asked_ = 0;
  Fd inotify_;
  Fd mounts_;
  Result<void> inotify_state_;
  Result<void> mounts_state_;
};

}  // namespace nswarden
