// SPDX-License-Identifier: Apache-2.0
// Keeps two nswardens from governing one directory, where each would take the other for an opponent: a lock for each directory
// by what it leads to, or the one that --lock.file names. A daemon that only audits takes none, so that it can run beside one
// that writes. Loop thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/os/lock_file.hpp>
#include <nswarden/report/log.hpp>

namespace nswarden {

struct LockOptions {
  std::optional<std::string> file;  ///< none: one for each directory
  bool audit = false;               ///< takes none
};

class InstanceLock {
 public:
  /// Throws std::runtime_error, one line for whoever started it, when another process holds a lock, or when the file that was
  /// named cannot be locked. What cannot be locked by default is told by look_again().
  /// `remedy`: what the one who started it can do.
  InstanceLock(const LockOptions& options, const std::vector<std::string>& directories,
               std::string_view remedy = "stop one of them, or run one with --audit");

  /// Locks the directories as they are now: one that came or was replaced is another one. What cannot be locked is told once,
  /// and tried again by each call.
  void look_again(Log& log);

 private:
  struct Outcome {
    enum class What : std::uint8_t { held, taken, failed };
    What what = What::held;
    std::string file;
    std::int64_t pid = 0;  ///< of who has taken it; 0 when that is not known
    int error = 0;         ///< why it failed
    bool operator==(const Outcome&) const = default;
  };
  struct Directory {
    std::string path;
    std::string file;  ///< locked for it
    Outcome last;
  };
  void take_named(const std::string& file);
  Outcome take(const std::string& directory);

  std::vector<Directory> directories_;  // to be locked; none with --audit and with --lock.file
  std::string runtime_directory_;
  std::string remedy_;
  std::map<std::string, LockFile> locks_;  // by file
};

}  // namespace nswarden
