// SPDX-License-Identifier: Apache-2.0
// The files and folders of a configuration on the disk: nothing else in this room reads any. It knows what it read and how each
// path was right before. One load, one object; any thread, one at a time.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include <nswarden/base/sha256.hpp>
#include <nswarden/os/path_watcher.hpp>
#include "config/config_loader.hpp"

namespace nswarden {

class ConfigFiles final : public FileReader {
 public:
  /// Whether nothing is at that path: then it can be left out. All else, such as a file that may not be read, is there.
  static bool is_absent(const std::string& path);

  std::variant<std::string, Problem> read(const std::string& path) override;
  std::variant<Names, Problem> list(const std::string& path) override;

  /// All that was asked for, found or not, in order, each once.
  [[nodiscard]] const std::vector<PathWatcher::Path>& asked() const { return asked_; }
  /// SHA-256 in hex of all that was read.
  [[nodiscard]] std::string hash() const { return hash_.hex(); }

 private:
  void note(const std::string& path);

  std::vector<PathWatcher::Path> asked_;
  Sha256 hash_;
};

}  // namespace nswarden
