// SPDX-License-Identifier: Apache-2.0
// Reports when a configuration may be read again: its own file, or one of the files and folders that it names, was closed after
// writing, moved into place, or leads elsewhere (a ConfigMap swaps a link beside it); a named one also when it is removed. Never
// while a file is being written (kernel fact 35). Of a folder its entries count, not what is below them. Loop thread only.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

class PathWatcher {
 public:
  /// `print`: the fingerprint (file.hpp) that it had right before it was read.
  struct Path {
    std::string path;
    std::uint64_t print = 0;
  };

  /// `file`: the configuration's own, watched from now on. Never fails: while its folder is absent or cannot be watched, that is
  /// its state, and rearm() tries again.
  explicit PathWatcher(std::string file);

  /// Also watches these, in place of those before. The next rearm() reports those that have changed since they were read.
  void watch(std::vector<Path> named);

  /// To be polled for POLLIN; -1 while there is none. It stays the same once there is one.
  [[nodiscard]] int fd() const { return inotify_.get(); }
  /// All events that wait, without blocking: true when the file or a named path may have changed.
  bool read_changed();
  /// Watches the folders that the paths lead to now, and looks at each named path. True when one of these has changed; or when the
  /// file is another one since its folder was found; or, while that cannot be watched, when the file is another one or was
  /// written, and not within the last second: it may be half written. Called now and then, such as before a sweep.
  bool rearm();
  /// The error of the file, or else of the named paths.
  [[nodiscard]] Result<void> state() const;

 private:
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    std::chrono::nanoseconds written{0};  // st_mtim
    [[nodiscard]] bool same_file(const Identity& other) const { return device == other.device && inode == other.inode; }
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  struct Events {
    bool file = false;         // it was closed after writing, moved into place, or its mode may have changed
    bool neighbour = false;    // something came beside it
    bool lost_folder = false;  // its folder went
    bool named = false;
    std::set<std::string> done;  // paths that were closed after writing, came or went
  };
  static Identity identity_of(const std::string& path);
  Events read_events();
  void add_watches();
  [[nodiscard]] int watch_of(const std::string& folder) const;
  bool file_is_other();
  bool look(const std::set<std::string>& done);

  std::string file_;
  Identity seen_;              // the file when it was last reported
  bool blind_ = false;         // the file may have changed since then without any event
  bool folder_found_ = false;  // its watch is new since then
  std::vector<Path> named_;
  std::map<std::string, int> watches_;  // by folder
  Fd inotify_;
  Error file_error_;
  Error named_error_;
};

}  // namespace nswarden
