// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/config_watcher.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <nswarden/os/fd.hpp>
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using os::ConfigWatcher;

void rename(const std::string& from, const std::string& to) { REQUIRE(::rename(from.c_str(), to.c_str()) == 0); }
void link(const std::string& target, const std::string& path) { REQUIRE(::symlink(target.c_str(), path.c_str()) == 0); }
void make_directory(const std::string& path) { REQUIRE(::mkdir(path.c_str(), 0755) == 0); }

TEST_CASE("a configuration is changed when it was closed after writing, never while it is half written (kernel fact 35)") {
  const test::TempDir dir;
  test::write_file(dir / "c.yaml", "old");
  ConfigWatcher watcher(dir / "c.yaml");
  REQUIRE(watcher.state().ok());
  CHECK_FALSE(watcher.read_changed());
  os::Fd file(::open((dir / "c.yaml").c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
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
  ConfigWatcher watcher(dir / "c.yaml");
  REQUIRE(::unlink((dir / "c.yaml").c_str()) == 0);
  CHECK_FALSE(watcher.read_changed());
  os::Fd file(::open((dir / "c.yaml").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  test::write_file(dir / "neighbour", "x");
  rename(dir / "neighbour", dir / "other");
  CHECK_FALSE(watcher.read_changed());
  file.reset();
  CHECK(watcher.read_changed());
}

TEST_CASE("a configuration that is moved into place is changed, and a neighbour is not") {
  const test::TempDir dir;
  test::write_file(dir / "c.yaml", "old");
  ConfigWatcher watcher(dir / "c.yaml");
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
  ConfigWatcher watcher(dir / "c.yaml");
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
  ConfigWatcher watcher(dir / "c.yaml");
  REQUIRE(::unlink((dir / "c.yaml").c_str()) == 0);
  link("two", dir / "c.yaml");
  CHECK(watcher.read_changed());
}

TEST_CASE("without its directory the watcher is down, and rearm finds it when it is there") {
  const test::TempDir dir;
  ConfigWatcher watcher(dir / "etc/c.yaml");
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
  ConfigWatcher watcher(dir / "etc/c.yaml");
  REQUIRE(::unlink((dir / "etc/c.yaml").c_str()) == 0);
  REQUIRE(::rmdir((dir / "etc").c_str()) == 0);
  CHECK_FALSE(watcher.read_changed());
  CHECK_FALSE(watcher.state().ok());
  make_directory(dir / "etc");
  CHECK_FALSE(watcher.rearm());
  test::write_file(dir / "etc/c.yaml", "new");
  CHECK(watcher.read_changed());
}

}  // namespace
}  // namespace nswarden
