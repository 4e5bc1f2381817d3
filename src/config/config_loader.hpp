// SPDX-License-Identifier: Apache-2.0
// Loads a configuration with its `include:` and `sysctl_files:`. All file access and its restrictions are in FileReader, so
// this file makes no system calls. Pure, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// Reads files and folders. A failure is the message of a problem, such as "Permission denied" or "others may write it"; the
/// caller knows the path and the position of its name.
class FileReader {
 public:
  FileReader() = default;
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  virtual ~FileReader() = default;

  /// The whole text of a file. For a file larger than max_config_size, any text that also exceeds it.
  virtual std::variant<std::string, Problem> read(const std::string& path) = 0;
  /// The names in a folder, without `.` and `..`, in any order; empty optional when the path is not a folder.
  using Names = std::optional<std::vector<std::string>>;
  virtual std::variant<Names, Problem> list(const std::string& path) = 0;
};

/// Limits for one configuration in total.
inline constexpr std::size_t max_config_files = 1000;
inline constexpr std::size_t max_config_bytes = std::size_t{8} << 20;
/// Maximum include depth; the main file has depth 0.
inline constexpr std::size_t deepest_include = 8;

/// The lines are problems, ready to print as `FILE:LINE:COL: message`, or as `FILE: message` when the file itself cannot be
/// read. Skips names in folders that start with a dot. Joins relative paths to the folder of the naming file and leaves other
/// paths unchanged. The reader knows which paths to watch: those that it was asked for.
std::variant<Config, std::vector<std::string>> load_config(FileReader& reader, const std::string& path);

}  // namespace nswarden
