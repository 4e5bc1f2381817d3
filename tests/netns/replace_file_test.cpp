// SPDX-License-Identifier: Apache-2.0

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include <nswarden/os/file.hpp>
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

std::string content(const std::string& path) { return read_file(path, 1 << 20).ok() ? *read_file(path, 1 << 20) : "?"; }

std::size_t files(const std::string& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a file is replaced whole, for its owner alone, and nothing is left beside it") {
  test::netns_dir();
  const test::TempDir dir;
  REQUIRE(replace_file(dir / "book", "first"));
  REQUIRE(::chmod((dir / "book").c_str(), 0666) == 0);
  REQUIRE(replace_file(dir / "book", std::string(100000, 'x')));
  CHECK(content(dir / "book") == std::string(100000, 'x'));
  struct stat status {};
  REQUIRE(::stat((dir / "book").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 0600U);
  CHECK(files(dir.path()) == 1);
}

TEST_CASE("what waits at its place or beside it is replaced, never written into") {
  test::netns_dir();
  const test::TempDir dir;
  test::write_file(dir / "victim", "precious");
  REQUIRE(::symlink((dir / "victim").c_str(), (dir / "book").c_str()) == 0);
  REQUIRE(::symlink((dir / "victim").c_str(), (dir / "book.new").c_str()) == 0);
  REQUIRE(replace_file(dir / "book", "ours"));
  CHECK(content(dir / "victim") == "precious");
  CHECK(content(dir / "book") == "ours");
  struct stat status {};
  REQUIRE(::lstat((dir / "book").c_str(), &status) == 0);
  CHECK(S_ISREG(status.st_mode));
}

TEST_CASE("where a file cannot be made, the error says why and the old one stays") {
  test::netns_dir();
  const test::TempDir dir;
  CHECK(replace_file(dir / "absent/book", "x").error().code == ENOENT);
  test::write_file(dir / "book", "old");
  REQUIRE(std::filesystem::create_directory(dir / "book.new"));
  CHECK(replace_file(dir / "book", "x").error().code == EISDIR);
  CHECK(content(dir / "book") == "old");
}

TEST_CASE("a file that is moved aside takes the place of an earlier one") {
  test::netns_dir();
  const test::TempDir dir;
  test::write_file(dir / "book", "second");
  test::write_file(dir / "book.damaged", "first");
  REQUIRE(move_aside(dir / "book", ".damaged"));
  CHECK(content(dir / "book.damaged") == "second");
  CHECK(move_aside(dir / "book", ".damaged").error().code == ENOENT);
}

}  // namespace nswarden
