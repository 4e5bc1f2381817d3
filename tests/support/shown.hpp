// SPDX-License-Identifier: Apache-2.0
// Parses user-visible output: the lines of an in-memory log, the series of a scrape.
#pragma once

#include <sys/mman.h>
#include <unistd.h>
#include <catch.hpp>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/os/fd.hpp>

namespace nswarden::test {

inline Fd memory_file() {
  Fd fd(::memfd_create("log", MFD_CLOEXEC));
  REQUIRE(fd);
  return fd;
}

inline std::string content(const Fd& file) {
  std::string text(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
  REQUIRE(::pread(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return text;
}

/// Lines that start with `start`.
inline std::vector<std::string> lines_of(const std::string& text, std::string_view start = {}) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(start)) lines.push_back(line);
  }
  return lines;
}

/// The value of a series in the text format of a scrape; "absent" or "twice" for other counts.
inline std::string value_of(const std::string& text, const std::string& series) {
  const auto lines = lines_of(text, series + " ");
  if (lines.size() != 1) return lines.empty() ? "absent" : "twice";
  return lines.front().substr(series.size() + 1);
}

}  // namespace nswarden::test
