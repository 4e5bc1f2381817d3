// SPDX-License-Identifier: Apache-2.0
// The file that keeps the restore book while the daemon is not running. It has one writer at a time, and load() accepts only a
// whole file of this boot. An empty book creates no file. Loop thread only.
#pragma once

#include <optional>
#include <string>

#include <nswarden/os/lock_file.hpp>
#include "restore/restore_book.hpp"

namespace nswarden {

class RestoreFile {
 public:
  /// Without a file: `restore`, in the directory of the locks.
  explicit RestoreFile(const std::optional<std::string>& file);

  struct Loaded {
    RestoreBook book;
    std::string problem;  ///< one line, if the file exists but was not accepted
  };
  /// Moves a damaged file aside.
  Loaded load();
  /// Returns an empty string, or one line with the reason why the book was not saved.
  std::string save(const RestoreBook& book);

 private:
  std::string lock();

  std::string file_;
  bool is_default_ = false;
  std::optional<LockFile> lock_;
  std::string boot_;
};

}  // namespace nswarden
