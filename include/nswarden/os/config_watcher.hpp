// SPDX-License-Identifier: Apache-2.0
// Says when the configuration file may be read again: it was closed after writing, moved into place, or, for a link, leads to
// another file (a ConfigMap swaps a link beside it). Never while it is being written (kernel fact 35). Loop thread only.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

class ConfigWatcher {
 public:
  /// Never fails: while the directory is absent or cannot be watched it is down, and rearm() tries again.
  explicit ConfigWatcher(std::string path);

  /// To be polled for POLLIN; -1 while there is none. It stays the same once there is one.
  [[nodiscard]] int fd() const { return inotify_.get(); }
  /// All that waits, without blocking: true when the file may have changed.
  bool read_changed();
  /// Watches the directory that the path leads to now; cheap when nothing changed. True when, by that, the file is another one;
  /// or, where no watch can be had, when the file is another one or was written, and not within the last second: it may be half
  /// written. Called now and then, such as before a sweep.
  bool rearm();
  [[nodiscard]] Result<void> state() const;

 private:
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    std::chrono::nanoseconds written{0};  // st_mtim
    [[nodiscard]] bool same_file(const Identity& other) const { return device == other.device && inode == other.inode; }
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  /// Of the file that the path leads to; zeros when there is none.
  [[nodiscard]] Identity identify() const;
  [[nodiscard]] bool is_link() const;
  /// Whether the file changed since seen_ without any event; `directory_found`: the watch is new.
  bool is_other(bool directory_found);

  std::string path_;
  std::string directory_;
  std::string name_;
  Fd inotify_;
  int wd_ = -1;
  Identity seen_;
  bool blind_ = false;  // the file may have changed since seen_ without any event
  Error error_;
};

}  // namespace nswarden
