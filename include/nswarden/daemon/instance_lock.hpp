// SPDX-License-Identifier: Apache-2.0
// Prevents two instances from governing one directory, where each would treat the other as a rival writer. Takes one lock per
// directory, identified by its target, or the lock file of --lock.file. An audit-only daemon takes none, so it can run next to
// an enforcing one. Loop thread only.
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
  std::optional<std::string> file;  ///< empty: one per directory
  bool audit = false;               ///< takes no lock
};

class InstanceLock {
 public:
  /// Throws std::runtime_error with one line for the user when another process holds a lock, or when the named lock file cannot
  /// be locked. update_locks() reports default locks that cannot be taken. `remedy`: advice to the user.
  InstanceLock(const LockOptions& options, const std::vector<std::string>& directories,
               std::string_view remedy = "stop one of them, or run one with --audit");

  /// Locks the current directories; a directory that appeared or was replaced gets a new lock. Logs a failure to lock once and
  /// retries in each call.
  void update_locks(Log& log);

 private:
  struct Outcome {
    enum class Kind : std::uint8_t { held, taken, failed };
    Kind kind = Kind::held;
    std::string file;
    std::int64_t pid = 0;  ///< of the lock holder; 0 when unknown
    int error = 0;         ///< errno of the failure
    bool operator==(const Outcome&) const = default;
  };
  struct Directory {
    std::string path;
    std::string file;  ///< lock file of the directory
    Outcome last;
  };
  void take_named(const std::string& file);
  Outcome take(const std::string& directory);

  std::vector<Directory> directories_;  // to be locked; empty with --audit and with --lock.file
  std::string runtime_directory_;
  std::string remedy_;
  std::map<std::string, LockFile> locks_;  // by lock file
};

}  // namespace nswarden
