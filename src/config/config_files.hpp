// SPDX-License-Identifier: Apache-2.0
// The files and folders of a configuration, read from the disk, and how each was before it was read. One load, one object.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include <nswarden/base/sha256.hpp>
#include <nswarden/os/path_watcher.hpp>
#include "config/config_loader.hpp"

namespace nswarden {

class ConfigFiles final : public ConfigSource {
 public:
  std::variant<std::string, Unreadable> read(const std::string& path) override;
  std::variant<std::vector<std::string>, NoFolder, Unreadable> list(const std::string& path) override;

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
