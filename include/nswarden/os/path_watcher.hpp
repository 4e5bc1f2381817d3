// SPDX-License-Identifier: Apache-2.0
// PathWatcher reports when a configuration may be read again: its own file, or a file or folder that it names, was closed after
// writing, moved into place, or is now reached through a changed link (a ConfigMap swaps a link beside it). It also reports
// removal of a named path. It never reports a file that is still being written (kernel fact 35). In a folder it watches the
// entries but not the levels below them. Loop thread only.
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
  /// `print`: the fingerprint (file.hpp) taken right before the path was read.
  struct Path {
    std::string path;
    std::uint64_t print = 0;
  };

  /// Watches `file`, the configuration's own, from now on. Never fails: if its folder is absent or cannot be watched, state()
  /// returns the error and rearm() tries again.
  explicit PathWatcher(std::string file);

  /// Replaces the set of named paths. The next rearm() reports those that have changed since they were read.
  void watch(std::vector<Path> named);

  /// Poll for POLLIN; -1 until inotify is available, then constant.
  [[nodiscard]] int fd() const { return inotify_.get(); }
  /// Reads all pending events without blocking. True if the file or a named path may have changed.
  bool read_changed();
  /// Watches the folders that the paths lead to now, and checks each named path. True if a named path has changed, or if the
  /// file was replaced since its folder was found. While the folder cannot be watched, also true if the file was replaced or
  /// written; a write within the last second does not count, because it may be incomplete. Called periodically, such as before
  /// a sweep.
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
    bool file = false;            // closed after writing, moved into place, or mode possibly changed
    bool sibling_added = false;   // an entry was added beside it
    bool folder_removed = false;  // its folder was removed
    bool named = false;
    std::set<std::string> completed_paths;  // paths that were closed after writing, added or removed
  };
  static Identity identity_of(const std::string& path);
  Events read_events();
  void add_watches();
  [[nodiscard]] int watch_of(const std::string& folder) const;
  bool file_replaced();
  bool check_named_paths(const std::set<std::string>& completed_paths);

  std::string file_;
  Identity seen_;                 // the file as last reported
  bool may_have_missed_ = false;  // the file may have changed since then without an event
  bool folder_found_ = false;     // its watch is newer than that
  std::vector<Path> named_;
  std::map<std::string, int> watches_;  // by folder
  Fd inotify_;
  Error file_error_;
  Error named_error_;
};

}  // namespace nswarden
