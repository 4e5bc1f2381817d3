// SPDX-License-Identifier: Apache-2.0
// A configuration with all that it names: the file, those of `include:` and those of `sysctl_files:`. What is read, and what
// may be read, is up to a ConfigSource, so that this makes no system calls. Pure, any thread.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include <nswarden/config/config.hpp>

namespace nswarden {

/// Why a file or folder was not read.
struct Unreadable {
  bool absent = false;
  std::string why;  ///< ready to print, such as "Permission denied" or "others may write it"; unused when absent
};

/// There is something, and it is no folder.
struct NoFolder {};

class ConfigSource {
 public:
  ConfigSource() = default;
  ConfigSource(const ConfigSource&) = delete;
  ConfigSource& operator=(const ConfigSource&) = delete;
  virtual ~ConfigSource() = default;

  /// The whole text of a file. Of one over max_config_size, any text that is over it too.
  virtual std::variant<std::string, Unreadable> read(const std::string& path) = 0;
  /// The names in a folder, without `.` and `..`, in any order.
  virtual std::variant<std::vector<std::string>, NoFolder, Unreadable> list(const std::string& path) = 0;
};

/// Bounds of all that one configuration takes together.
inline constexpr std::size_t most_config_files = 1000;
inline constexpr std::size_t most_config_bytes = std::size_t{8} << 20;
/// How deep files may include others: the file itself is at depth 0.
inline constexpr std::size_t deepest_include = 8;

/// The lines are problems, ready to print as `FILE:LINE:COL: message`, or `FILE: message` of the file itself that cannot be
/// read. Names in folders that start with a dot do not count. Paths are joined to the folder of the file that names them and
/// else left as they are. What is to be watched after a failure, a source knows: it is what it was asked for.
std::variant<Config, std::vector<std::string>> load_config(ConfigSource& source, const std::string& path);

}  // namespace nswarden
