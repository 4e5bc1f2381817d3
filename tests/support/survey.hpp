// SPDX-License-Identifier: Apache-2.0
// Lists every file below /proc/sys/net of a netns of the running kernel.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nswarden/os/fd.hpp>
#include <nswarden/policy/key.hpp>
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden::test {

inline const std::string survey_root = "/proc/sys/net/";
/// One file, held open as its mode permits.
struct SysctlFile {
  mode_t mode = 0;
  Fd file;

  [[nodiscard]] std::optional<std::string> read() const {
    std::array<char, 4096> bytes{};
    const ssize_t size = ::pread(file.get(), bytes.data(), bytes.size(), 0);
    if (size < 0) return std::nullopt;
    return std::string(bytes.data(), static_cast<std::size_t>(size));
  }
  [[nodiscard]] bool write(std::string_view value) const {
    return ::pwrite(file.get(), value.data(), value.size(), 0) == static_cast<ssize_t>(value.size());
  }
  [[nodiscard]] bool can_write() const { return (mode & S_IWUSR) != 0; }
};

/// Indexed by path below net.
using Survey = std::map<std::string, SysctlFile>;

/// Surveys the netns of the calling thread.
inline Survey survey_here() {
  Survey all;
  for (const auto& found : std::filesystem::recursive_directory_iterator(survey_root)) {
    struct stat status {};
    const std::string path = found.path();
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    const mode_t mode = status.st_mode & 0777U;
    const bool can_read = (mode & S_IRUSR) != 0;
    const int flags = (mode & S_IWUSR) == 0 ? O_RDONLY : can_read ? O_RDWR : O_WRONLY;
    Fd file(::open(path.c_str(), flags | O_CLOEXEC));
    INFO(path);
    REQUIRE(file);
    // net/nf_conntrack_max is beside the families and not a key.
    if (Key::at(path.substr(survey_root.size())))
      all.emplace(path.substr(survey_root.size()), SysctlFile{mode, std::move(file)});
  }
  REQUIRE(all.size() > 200);
  return all;
}

inline Survey survey_of(const TestNetns& netns) {
  Survey all;
  inside(netns.path(), [&] { all = survey_here(); });
  return all;
}

inline std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

}  // namespace nswarden::test
