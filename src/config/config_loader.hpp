// SPDX-License-Identifier: Apache-2.0
// A configuration with all that it names: the file, those of `include:` and those of `sysctl_files:`. What is read, and what
// may be read, is up to a FileReader, so that this makes no system calls. Pure, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// Reads files and folders. Why it could not is the message of a problem, such as "Permission denied" or "others may write it";
/// which path it is about, and where that was named, the caller knows.
class FileReader {
 public:
  FileReader() = default;
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  virtual ~FileReader() = default;

  /// The whole text of a file. Of one over max_config_size, any text that is over it too.
  virtual std::variant<std::string, Problem> read(const std::string& path) = 0;
  /// The names in a folder, without `.` and `..`, in any order; none where something else is there.
  using Names = std::optional<std::vector<std::string>>;
  virtual std::variant<Names, Problem> list(const std::string& path) = 0;
};

/// Bounds of all that one configuration takes together.
inline constexpr std::size_t most_config_files = 1000;
inline constexpr std::size_t most_config_bytes = std::size_t{8} << 20;
/// How deep files may include others: the file itself is at depth 0.
inline constexpr std::size_t deepest_include = 8;

/// The lines are problems, ready to print as `FILE:LINE:COL: message`, or `FILE: message` of the file itself that cannot be
/// read. Names in folders that start with a dot do not count. Paths are joined to the folder of the file that names them and
/// else left as they are. What is to be watched, the reader knows: it is what it was asked for.
std::variant<Config, std::vector<std::string>> load_config(FileReader& reader, const std::string& path);

}  // namespace nswarden
