// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/path_watcher.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <memory>
#include <string>

#include <nswarden/os/fd.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/process.hpp>
#include "catch.hpp"
#include "open_files.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

void rename(const std::string& from, const std::string& to) { REQUIRE(::rename(from.c_str(), to.c_str()) == 0); }
void link(const std::string& target, const std::string& path) { REQUIRE(::symlink(target.c_str(), path.c_str()) == 0); }
void make_directory(const std::string& path) { REQUIRE(::mkdir(path.c_str(), 0755) == 0); }

TEST_CASE("a configuration is changed when it was closed after writing, never while it is half written (kernel fact 35)") {
  const test::TempDir dir;
  test::write_file(dir / "c.yaml", "old");
  PathWatcher watcher(dir / "c.yaml");
  REQUIRE(watcher.state().ok());
  CHECK_FALSE(watcher.read_changed());
  Fd file(::open((dir / "c.yaml").c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  CHECK(::write(file.get(), "ne", 2) == 2);
  CHECK_FALSE(watcher.read_changed());
  CHECK(::write(file.get(), "w", 1) == 1);
  file.reset();
  CHECK(watcher.read_changed());
  CHECK_FALSE(watcher.read_changed());
}

TEST_CASE("a configuration that is removed and written anew is not read before it is closed, whatever its neighbours do") {
  const test::TempDir dir;
  test::write_file(dir / "c.yaml", "old");
  PathWatcher watcher(dir / "c.yaml");
  REQUIRE(::unlink((dir / "c.yaml").c_str()) == 0);
  CHECK_FALSE(watcher.read_changed());
  Fd file(::open((dir / "c.yaml").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  test::write_file(dir / "neighbour", "x");
  rename(dir / "neighbour", dir / "other");
  CHECK_FALSE(watcher.read_changed());
  file.reset();
  CHECK(watcher.read_changed());
}

TEST_CASE("a configuration that is moved into place is changed, and a neighbour is not") {
  const test::TempDir dir;
  test::write_file(dir / "c.yaml", "old");
  PathWatcher watcher(dir / "c.yaml");
  test::write_file(dir / "c.yaml.new", "new");
  CHECK_FALSE(watcher.read_changed());
  rename(dir / "c.yaml.new", dir / "c.yaml");
  CHECK(watcher.read_changed());
}

TEST_CASE("a ConfigMap's swap of its data link is a change, each time") {
  const test::TempDir dir;
  for (const std::string version : {"1", "2", "3"}) {
    make_directory(dir / ("..v" + version));
    test::write_file(dir / ("..v" + version + "/c.yaml"), version);
  }
  link("..v1", dir / "..data");
  link("..data/c.yaml", dir / "c.yaml");
  PathWatcher watcher(dir / "c.yaml");
  for (const std::string version : {"2", "3"}) {
    link("..v" + version, dir / "..data_tmp");
    CHECK_FALSE(watcher.read_changed());
    rename(dir / "..data_tmp", dir / "..data");
    CHECK(watcher.read_changed());
    CHECK_FALSE(watcher.read_changed());
  }
}

TEST_CASE("a link that is replaced by another is a change") {
  const test::TempDir dir;
  test::write_file(dir / "one", "1");
  test::write_file(dir / "two", "2");
  link("one", dir / "c.yaml");
  PathWatcher watcher(dir / "c.yaml");
  REQUIRE(::unlink((dir / "c.yaml").c_str()) == 0);
  link("two", dir / "c.yaml");
  CHECK(watcher.read_changed());
}

TEST_CASE("without its directory the watcher is down, and rearm finds it when it is there") {
  const test::TempDir dir;
  PathWatcher watcher(dir / "etc/c.yaml");
  REQUIRE_FALSE(watcher.state().ok());
  CHECK(watcher.state().error().code == ENOENT);
  CHECK_FALSE(watcher.read_changed());
  CHECK_FALSE(watcher.rearm());
  make_directory(dir / "etc");
  test::write_file(dir / "etc/c.yaml", "new");
  CHECK(watcher.rearm());
  CHECK(watcher.state().ok());
  CHECK_FALSE(watcher.rearm());
  test::write_file(dir / "etc/c.yaml", "newer");
  CHECK(watcher.read_changed());
}

TEST_CASE("a directory that is removed and remade is watched again") {
  const test::TempDir dir;
  make_directory(dir / "etc");
  test::write_file(dir / "etc/c.yaml", "old");
  PathWatcher watcher(dir / "etc/c.yaml");
  REQUIRE(::unlink((dir / "etc/c.yaml").c_str()) == 0);
  REQUIRE(::rmdir((dir / "etc").c_str()) == 0);
  CHECK_FALSE(watcher.read_changed());
  CHECK_FALSE(watcher.state().ok());
  make_directory(dir / "etc");
  CHECK_FALSE(watcher.rearm());
  test::write_file(dir / "etc/c.yaml", "new");
  CHECK(watcher.read_changed());
}

/// Sets the modification time to `age` ago.
void set_age(const std::string& path, std::chrono::seconds age) {
  timespec now{};
  REQUIRE(::clock_gettime(CLOCK_REALTIME, &now) == 0);
  now.tv_sec -= age.count();
  const std::array times{now, now};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0) == 0);
}

std::chrono::nanoseconds age_of(const std::string& path) {
  struct stat status {};
  timespec now{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  REQUIRE(::clock_gettime(CLOCK_REALTIME, &now) == 0);
  return std::chrono::seconds(now.tv_sec - status.st_mtim.tv_sec) +
         std::chrono::nanoseconds(now.tv_nsec - status.st_mtim.tv_nsec);
}

TEST_CASE("where the directory may not be watched, rearm tells a file that was replaced or written, once it is left alone") {
  const test::TempDir dir;
  const std::string path = dir / "c.yaml";
  test::write_file(path, "old");
  set_age(path, std::chrono::seconds(100));
  // Search permission without read permission.
  REQUIRE(::chmod(dir.path().c_str(), 0711) == 0);
  std::unique_ptr<PathWatcher> watcher;
  test::as_nobody(test::Keep::nothing, [&] { watcher = std::make_unique<PathWatcher>(path); });
  const auto rearm = [&] {
    bool changed = false;
    test::as_nobody(test::Keep::nothing, [&] { changed = watcher->rearm(); });
    return changed;
  };
  CHECK_FALSE(rearm());
  REQUIRE_FALSE(watcher->state().ok());
  CHECK(watcher->state().error().code == EACCES);
  // Modified in place.
  set_age(path, std::chrono::seconds(50));
  CHECK(rearm());
  CHECK_FALSE(rearm());
  // Another file of the same age.
  test::write_file(dir / "new", "new");
  set_age(dir / "new", std::chrono::seconds(50));
  rename(dir / "new", path);
  CHECK(rearm());
  CHECK_FALSE(rearm());
  // A recent file may be incomplete.
  test::write_file(path, "newer");
  REQUIRE(test::eventually(rearm));
  CHECK(age_of(path) >= std::chrono::seconds(1));
  CHECK_FALSE(rearm());
  // A modification time in the future.
  set_age(path, std::chrono::seconds(-100));
  CHECK(rearm());
  REQUIRE(::unlink(path.c_str()) == 0);
  CHECK_FALSE(rearm());
}

TEST_CASE("a file that was written while there was no watch is told when there is one") {
  const test::TempDir dir;
  const std::string path = dir / "c.yaml";
  test::write_file(path, "old");
  set_age(path, std::chrono::seconds(100));
  const std::size_t limit = open_files_limit();
  REQUIRE(test::set_open_files_limit(3).ok());
  PathWatcher watcher(path);
  REQUIRE(test::set_open_files_limit(limit).ok());
  REQUIRE_FALSE(watcher.state().ok());
  CHECK(watcher.state().error().code == EMFILE);
  test::write_file(path, "new");
  CHECK(test::eventually([&] { return watcher.rearm(); }));
  CHECK(watcher.state().ok());
  CHECK_FALSE(watcher.rearm());
}

PathWatcher::Path current(const std::string& path) { return {path, fingerprint(path)}; }

TEST_CASE("a named file and a named folder are changed when a file is closed after writing, moved into place or removed") {
  const test::TempDir dir;
  test::write_file(dir / "c.yaml", "c");
  test::write_file(dir / "named", "old");
  make_directory(dir / "d");
  PathWatcher watcher(dir / "c.yaml");
  watcher.watch({current(dir / "named"), current(dir / "d")});
  CHECK_FALSE(watcher.read_changed());
  CHECK_FALSE(watcher.rearm());
  {
    Fd file(::open((dir / "named").c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    CHECK(::write(file.get(), "newer", 5) == 5);
    CHECK_FALSE(watcher.read_changed());
    CHECK_FALSE(watcher.rearm());  // the file may be incomplete
  }
  CHECK(watcher.read_changed());
  CHECK_FALSE(watcher.read_changed());
  test::write_file(dir / "neighbour", "x");
  CHECK_FALSE(watcher.read_changed());
  test::write_file(dir / "d/one", "1");
  CHECK(watcher.read_changed());
  rename(dir / "d/one", dir / "d/two");
  CHECK(watcher.read_changed());
  REQUIRE(::unlink((dir / "named").c_str()) == 0);
  CHECK(watcher.read_changed());
  CHECK_FALSE(watcher.rearm());
  CHECK(watcher.state().ok());
}

TEST_CASE("a folder that is known by two names stays watched when one of them is no longer of interest") {
  const test::TempDir dir;
  make_directory(dir / "etc");
  link("etc", dir / "also");
  test::write_file(dir / "etc/c.yaml", "c");
  test::write_file(dir / "etc/named", "n");
  PathWatcher watcher(dir / "etc/c.yaml");
  watcher.watch({current(dir / "also/named")});
  watcher.watch({});
  test::write_file(dir / "etc/named", "newer");
  CHECK_FALSE(watcher.read_changed());
  test::write_file(dir / "etc/c.yaml", "newer");
  CHECK(watcher.read_changed());
  CHECK_FALSE(watcher.rearm());
}

TEST_CASE("a named path that changed between its reading and its watch is reported by rearm") {
  const test::TempDir dir;
  test::write_file(dir / "c.yaml", "c");
  test::write_file(dir / "named", "old");
  PathWatcher watcher(dir / "c.yaml");
  const PathWatcher::Path read = current(dir / "named");
  test::write_file(dir / "named", "newer");
  set_age(dir / "named", std::chrono::seconds(100));
  watcher.watch({read});
  CHECK(watcher.rearm());
  CHECK_FALSE(watcher.rearm());
}

}  // namespace
}  // namespace nswarden
