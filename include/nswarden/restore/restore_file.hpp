// SPDX-License-Identifier: Apache-2.0
// The file that keeps what restoring needs to know while no nswarden runs: one writer at a time, and nothing in it is taken that
// is not whole and of this boot. Without a book there is no file. Loop thread only.
#pragma once

#include <optional>
#include <string>

#include <nswarden/os/lock_file.hpp>
#include "restore/restore_book.hpp"

namespace nswarden {

class RestoreFile {
 public:
  /// Without a file: `restore`, where the locks lie.
  explicit RestoreFile(const std::optional<std::string>& file);

  struct Loaded {
    RestoreBook book;
    std::string problem;  ///< one line, when there is a file and nothing of it is taken
  };
  /// What is damaged is moved aside.
  Loaded load();
  /// Empty, or why it is not saved, one line.
  std::string save(const RestoreBook& book);

 private:
  std::string lock();

  std::string file_;
  bool is_default_ = false;
  std::optional<LockFile> lock_;
  std::string boot_;
};

}  // namespace nswarden
