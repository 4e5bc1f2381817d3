// SPDX-License-Identifier: Apache-2.0
// Ownership and lifetime of a lock, and canonical directory names.
#include <nswarden/os/lock_file.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>
#include <variant>

#include <nswarden/os/fd.hpp>
#include <nswarden/os/file.hpp>
#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

/// The result of an attempt as an exit status: 0 acquired, 1 held by the parent, 2 held by another process, 100 + errno on
/// error.
int code_of(const LockFile::Attempt& attempt) {
  if (const auto* taken = std::get_if<LockFile::Taken>(&attempt)) return taken->pid == ::getppid() ? 1 : 2;
  if (const auto* error = std::get_if<Error>(&attempt)) return 100 + error->code;
  return 0;
}

int in_child(const std::function<int()>& action) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(action());
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

int taken_by_child(const std::string& path) {
  return in_child([&] { return code_of(LockFile::take(path)); });
}

bool same(const std::string& a, const std::string& b) {
  const auto one = identify_directory(a);
  const auto other = identify_directory(b);
  REQUIRE(one.ok());
  REQUIRE(other.ok());
  return one->device_major == other->device_major && one->device_minor == other->device_minor && one->inode == other->inode &&
         one->rest == other->rest;
}

TEST_CASE("a lock is refused to another process, which learns who has it, until it is let go") {
  const test::TempDir dir;
  {
    const LockFile::Attempt first_lock = LockFile::take(dir / "lock");
    REQUIRE(std::holds_alternative<LockFile>(first_lock));
    CHECK(taken_by_child(dir / "lock") == 1);
    CHECK(taken_by_child(dir / "other") == 0);
  }
  CHECK(taken_by_child(dir / "lock") == 0);
  CHECK(std::filesystem::exists(dir / "lock"));
}

TEST_CASE("a child keeps nothing of a lock after its parent was killed, whatever it inherited") {
  const test::TempDir dir;
  std::array<int, 2> locked{};
  std::array<int, 2> until{};
  REQUIRE(::pipe2(locked.data(), O_CLOEXEC) == 0);
  REQUIRE(::pipe2(until.data(), O_CLOEXEC) == 0);
  const pid_t parent = ::fork();
  REQUIRE(parent >= 0);
  if (parent == 0) {
    const LockFile::Attempt lock = LockFile::take(dir / "lock");
    ::close(until[1]);
    char byte = code_of(lock) == 0 ? 'y' : 'n';
    if (::fork() == 0) {
      (void)!::write(locked[1], &byte, 1);
      (void)!::read(until[0], &byte, 1);  // until the test closes its end
      ::_exit(0);
    }
    while (true) ::pause();
  }
  Fd proceed(until[1]);
  const Fd child_end(until[0]);
  const Fd writing_end(locked[1]);
  const Fd reading_end(locked[0]);
  char byte = 0;
  REQUIRE(::read(reading_end.get(), &byte, 1) == 1);
  CHECK(byte == 'y');
  CHECK(taken_by_child(dir / "lock") == 2);
  REQUIRE(::kill(parent, SIGKILL) == 0);
  REQUIRE(::waitpid(parent, nullptr, 0) == parent);
  CHECK(taken_by_child(dir / "lock") == 0);
}

TEST_CASE("nothing but a regular file is locked, and none is changed by it") {
  const test::TempDir dir;
  test::write_file(dir / "text", "some text\n");
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  REQUIRE(::symlink("text", (dir / "link").c_str()) == 0);
  CHECK(taken_by_child(dir / "text") == 0);
  CHECK(*read_file(dir / "text", 100) == "some text\n");
  CHECK(taken_by_child(dir / "fifo") == 100 + EINVAL);
  CHECK(taken_by_child("/dev/null") == 100 + EINVAL);
  CHECK(taken_by_child(dir / "link") == 100 + ELOOP);
  CHECK(taken_by_child(dir.path()) == 100 + EISDIR);
  CHECK(taken_by_child(dir / "absent/lock") == 100 + ENOENT);
  CHECK(taken_by_child("") == 100 + ENOENT);
}

TEST_CASE("a lock file is its owner's alone, because whoever may read it could lock it") {
  const test::TempDir dir;
  REQUIRE(taken_by_child(dir / "lock") == 0);
  struct stat status {};
  REQUIRE(::stat((dir / "lock").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  test::as_nobody(test::Keep::nothing, [&] {
    CHECK(::open((dir / "lock").c_str(), O_RDONLY | O_CLOEXEC) == -1);
    const LockFile::Attempt attempt = LockFile::take(dir / "lock");
    REQUIRE(std::holds_alternative<Error>(attempt));
    CHECK(std::get<Error>(attempt).code == EACCES);
  });
}

TEST_CASE("a directory is the same by any of its names and mounts, and another one when it is replaced") {
  const test::TempDir dir;
  std::filesystem::create_directories(dir / "a/netns");
  std::filesystem::create_directories(dir / "other");
  std::filesystem::create_directory_symlink("a", dir / "link");
  CHECK(same(dir / "a", dir / "link"));
  CHECK(same(dir / "a/netns", dir / "link/netns"));
  CHECK(same(dir / "a/netns", dir / "a//netns/"));
  CHECK_FALSE(same(dir / "a/netns", dir / "other"));
  REQUIRE(::mount((dir / "a/netns").c_str(), (dir / "other").c_str(), nullptr, MS_BIND, nullptr) == 0);
  CHECK(same(dir / "a/netns", dir / "other"));
  test::unmount(dir / "other");
  const std::uint64_t before = identify_directory(dir / "a/netns")->inode;
  std::filesystem::remove(dir / "a/netns");
  std::filesystem::create_directory(dir / "a/netns");
  CHECK(identify_directory(dir / "a/netns")->inode != before);
}

TEST_CASE("a directory that is absent is told by what there is of its path, and by the rest") {
  const test::TempDir dir;
  std::filesystem::create_directories(dir / "a");
  std::filesystem::create_directory_symlink("a", dir / "link");
  CHECK(same(dir / "a/b/netns", dir / "link//b/netns/"));
  CHECK(identify_directory(dir / "a/b/netns")->rest == "b/netns");
  CHECK(identify_directory(dir / "a/b/netns")->inode == identify_directory(dir / "a")->inode);
  CHECK_FALSE(same(dir / "a/b/netns", dir / "a/netns"));
  CHECK(identify_directory("/nowhere/at/all")->rest == "nowhere/at/all");
  CHECK(identify_directory("/nowhere/at/all")->inode == identify_directory("/")->inode);
}

TEST_CASE("a directory is made for all to see, and one that is there is left as it is") {
  const test::TempDir dir;
  const mode_t before = ::umask(0);
  const bool made_it = make_directory(dir / "made").ok();
  ::umask(before);
  REQUIRE(made_it);
  struct stat status {};
  REQUIRE(::stat((dir / "made").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0755);
  REQUIRE(::chmod((dir / "made").c_str(), 0700) == 0);
  REQUIRE(make_directory(dir / "made").ok());
  REQUIRE(::stat((dir / "made").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  const auto made = make_directory(dir / "absent/made");
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == ENOENT);
}

}  // namespace
}  // namespace nswarden
