// SPDX-License-Identifier: Apache-2.0
// Says when any of the files and folders that a configuration names besides its own file may be read again: one was closed after
// writing, came, went, or leads elsewhere. What a folder holds counts, not what is below that. Loop thread only.
#pragma once

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
  /// `print`: the fingerprint (trusted_path.hpp) that it had right before it was read.
  struct Path {
    std::string path;
    std::uint64_t print = 0;
  };
  /// In place of those before. The next rearm() tells of what has changed since they were read.
  void watch(std::vector<Path> paths);

  /// To be polled for POLLIN; -1 while there is none. It stays the same once there is one.
  [[nodiscard]] int fd() const { return inotify_.get(); }
  /// All that waits, without blocking: true when some path may have changed.
  bool read_changed();
  /// Watches what could not be watched before, and looks at each path. True when some has changed. Called now and then, such as
  /// before a sweep.
  bool rearm();
  [[nodiscard]] Result<void> state() const;

 private:
  void add_watches();
  bool look(const std::set<std::string>& told);

  std::vector<Path> paths_;
  std::map<std::string, int> watches_;  // by folder
  Fd inotify_;
  Error error_;
};

}  // namespace nswarden
