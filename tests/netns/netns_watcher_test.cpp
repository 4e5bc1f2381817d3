// SPDX-License-Identifier: Apache-2.0
// The watcher on a real directory: required events, including changes of the directory itself.
#include <nswarden/netns/netns_watcher.hpp>
#include <nswarden/policy/inotify_events.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include <nswarden/os/process.hpp>
#include "catch.hpp"
#include "open_files.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using Kind = DirectoryEvent::Kind;
using Strings = std::vector<std::string>;

/// All pending events as text, such as "IN_CREATE a", "directory", "directory IN_MOVE_SELF", "overflow". The kernel queues an
/// event before the call that caused it returns, so tests need no waiting.
Strings events(NetnsWatcher& watcher) {
  Strings all;
  for (const DirectoryEvent& event : watcher.read()) {
    std::string text = event.kind == Kind::overflow ? "overflow" : event.kind == Kind::directory ? "directory" : "";
    if (event.kind == Kind::entry) {
      for (const std::string_view name : inotify_event_names(event.mask)) text.append(name).append(" ");
      text += event.name;
    }
    if (event.kind == Kind::directory) {
      for (const std::string_view name : inotify_event_names(event.mask)) text.append(" ").append(name);
    }
    all.push_back(text + (event.directory == 0 ? "" : " of " + std::to_string(event.directory)));
  }
  return all;
}

bool is_up(const NetnsWatcher& watcher) { return watcher.inotify_state().ok() && watcher.inotify_fd() >= 0; }

void make_directory(const std::string& path) { REQUIRE(::mkdir(path.c_str(), 0755) == 0); }
void remove_directory(const std::string& path) { REQUIRE(::rmdir(path.c_str()) == 0); }
void cover(const std::string& path) { REQUIRE(::mount("none", path.c_str(), "tmpfs", 0, nullptr) == 0); }

TEST_CASE("names that come, go and move are told, and looking at them is not") {
  const test::TempDir dir;
  NetnsWatcher watcher({dir.path()});
  REQUIRE(is_up(watcher));
  test::write_file(dir / "a", "");
  REQUIRE(::rename((dir / "a").c_str(), (dir / "b").c_str()) == 0);
  REQUIRE(::unlink((dir / "b").c_str()) == 0);
  CHECK(events(watcher) == Strings{"IN_CREATE a", "IN_MOVED_FROM a", "IN_MOVED_TO b", "IN_DELETE b"});
  CHECK(events(watcher).empty());
  CHECK_FALSE(watcher.rearm());
}

TEST_CASE("mounting a netns over a name makes no inotify event, nor does unmounting it (kernel fact 2)") {
  const test::TempDir dir;
  NetnsWatcher watcher({dir.path()});
  test::make_netns(dir / "a");
  CHECK(events(watcher) == Strings{"IN_CREATE a"});
  test::unmount(dir / "a");
  CHECK(events(watcher).empty());
}

TEST_CASE("each mount and unmount wakes the mount table's fd once, by POLLPRI (kernel fact 2)") {
  const test::TempDir dir;
  test::write_file(dir / "a", "");
  const NetnsWatcher watcher({dir.path()});
  REQUIRE(watcher.mounts_state().ok());
  const auto woken = [&] {
    pollfd fd{watcher.mounts_fd(), POLLPRI, 0};
    return ::poll(&fd, 1, 0) == 1 && (fd.revents & POLLPRI) != 0;
  };
  CHECK_FALSE(woken());
  test::bind_mount("/proc/thread-self/ns/net", dir / "a");
  CHECK(woken());
  CHECK_FALSE(woken());
  test::unmount(dir / "a");
  CHECK(woken());
}

TEST_CASE("a directory that is absent at start is found when it is made, and watched before it is listed") {
  const test::TempDir dir;
  NetnsWatcher watcher({dir / "netns"});
  CHECK(is_up(watcher));
  CHECK_FALSE(watcher.rearm());
  test::write_file(dir / "something-else", "");
  CHECK(events(watcher).empty());
  make_directory(dir / "netns");
  CHECK(events(watcher) == Strings{"directory"});
  test::write_file(dir / "netns/a", "");
  CHECK(events(watcher) == Strings{"IN_CREATE a"});
  CHECK_FALSE(watcher.rearm());
}

TEST_CASE("a directory whose parent is absent too is found, whether made step by step or at once") {
  const test::TempDir dir;
  NetnsWatcher watcher({dir / "x/y/netns"});
  make_directory(dir / "x");
  CHECK(events(watcher).empty());
  make_directory(dir / "x/y");
  make_directory(dir / "x/y/netns");
  CHECK(events(watcher) == Strings{"directory"});
  test::write_file(dir / "x/y/netns/a", "");
  CHECK(events(watcher) == Strings{"IN_CREATE a"});

  test::remove_netns(dir / "x/y/netns/a");
  remove_directory(dir / "x/y/netns");
  remove_directory(dir / "x/y");
  remove_directory(dir / "x");
  CHECK(events(watcher) == Strings{"IN_DELETE a", "directory IN_DELETE_SELF IN_IGNORED"});
  make_directory(dir / "x");
  make_directory(dir / "x/y");
  make_directory(dir / "x/y/netns");
  CHECK(events(watcher) == Strings{"directory"});
}

TEST_CASE("a directory that is moved into place is found") {
  const test::TempDir dir;
  NetnsWatcher watcher({dir / "netns"});
  make_directory(dir / "prepared");
  test::write_file(dir / "prepared/a", "");
  REQUIRE(::rename((dir / "prepared").c_str(), (dir / "netns").c_str()) == 0);
  CHECK(events(watcher) == Strings{"directory"});
  test::write_file(dir / "netns/b", "");
  CHECK(events(watcher) == Strings{"IN_CREATE b"});
}

TEST_CASE("a directory that is removed and remade, or moved away, is told and watched again") {
  const test::TempDir dir;
  make_directory(dir / "netns");
  NetnsWatcher watcher({dir / "netns"});
  remove_directory(dir / "netns");
  make_directory(dir / "netns");
  CHECK(events(watcher) == Strings{"directory IN_DELETE_SELF IN_IGNORED"});
  test::write_file(dir / "netns/a", "");
  CHECK(events(watcher) == Strings{"IN_CREATE a"});
  REQUIRE(::rename((dir / "netns").c_str(), (dir / "old").c_str()) == 0);
  CHECK(events(watcher) == Strings{"directory IN_MOVE_SELF"});
  test::write_file(dir / "old/b", "");
  CHECK(events(watcher).empty());
  make_directory(dir / "netns");
  CHECK(events(watcher) == Strings{"directory"});
}

TEST_CASE("a directory that is covered by another mount and uncovered is found by rearm (kernel fact 2)") {
  const test::TempDir dir;
  make_directory(dir / "netns");
  NetnsWatcher watcher({dir / "netns"});
  cover(dir / "netns");
  CHECK(events(watcher).empty());
  CHECK(watcher.rearm());
  CHECK_FALSE(watcher.rearm());
  test::write_file(dir / "netns/a", "");
  CHECK(events(watcher) == Strings{"IN_CREATE a"});
  REQUIRE(::umount2((dir / "netns").c_str(), 0) == 0);
  // The watch ended with its file system, which is an event.
  CHECK(events(watcher) == Strings{"directory IN_IGNORED IN_UNMOUNT"});
  test::write_file(dir / "netns/b", "");
  CHECK(events(watcher) == Strings{"IN_CREATE b"});
}

TEST_CASE("a directory that is bound over itself, as the first ip netns add does, keeps its watch (kernel fact 9)") {
  const test::TempDir dir;
  make_directory(dir / "netns");
  NetnsWatcher watcher({dir / "netns"});
  REQUIRE(::mount((dir / "netns").c_str(), (dir / "netns").c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0);
  CHECK_FALSE(watcher.rearm());
  test::write_file(dir / "netns/a", "");
  CHECK(events(watcher) == Strings{"IN_CREATE a"});
}

TEST_CASE("a directory may be reached through a link") {
  const test::TempDir dir;
  make_directory(dir / "run");
  make_directory(dir / "run/netns");
  REQUIRE(::symlink("run", (dir / "var").c_str()) == 0);
  REQUIRE(::symlink("run/netns", (dir / "link").c_str()) == 0);
  NetnsWatcher watcher({dir / "var/netns", dir / "link"});
  REQUIRE(is_up(watcher));
  test::write_file(dir / "run/netns/a", "");
  CHECK(events(watcher) == Strings{"IN_CREATE a", "IN_CREATE a of 1"});
}

TEST_CASE("a file in place of the directory is as good as nothing, until it is one") {
  const test::TempDir dir;
  test::write_file(dir / "netns", "");
  NetnsWatcher watcher({dir / "netns"});
  CHECK(is_up(watcher));
  REQUIRE(::unlink((dir / "netns").c_str()) == 0);
  make_directory(dir / "netns");
  CHECK(events(watcher) == Strings{"directory"});
}

TEST_CASE("two directories, one absent and one its parent, share one watch and lose none") {
  const test::TempDir dir;
  NetnsWatcher watcher({dir / "netns", dir.path()});
  make_directory(dir / "netns");
  CHECK(events(watcher) == Strings{"IN_CREATE netns of 1", "directory"});
  test::write_file(dir / "netns/a", "");
  test::write_file(dir / "b", "");
  CHECK(events(watcher) == Strings{"IN_CREATE a", "IN_CREATE b of 1"});
}

TEST_CASE("when the queue overflows that is told, and the watch goes on (kernel fact 10)") {
  const test::TempDir dir;
  NetnsWatcher watcher({dir.path()});
  // Twice the queue's default length, which an admin may have changed. Alternating names prevent merging of equal events.
  int queue = 16384;
  if (FILE* limit = std::fopen("/proc/sys/fs/inotify/max_queued_events", "re"); limit != nullptr) {
    REQUIRE(std::fscanf(limit, "%d", &queue) == 1);
    std::fclose(limit);
  }
  test::write_file(dir / "a", "");
  const std::string first = dir / "a";
  const std::string second = dir / "b";
  for (int i = 0; i <= queue / 2 + 1; ++i) {
    REQUIRE(::rename((i % 2 == 0 ? first : second).c_str(), (i % 2 == 0 ? second : first).c_str()) == 0);
  }
  Strings all;
  REQUIRE(test::eventually([&] {
    const Strings more = events(watcher);
    all.insert(all.end(), more.begin(), more.end());
    return more.empty();
  }));
  CHECK(std::count(all.begin(), all.end(), "overflow") == 1);
  test::write_file(dir / "c", "");
  CHECK(events(watcher) == Strings{"IN_CREATE c"});
}

TEST_CASE("a source that cannot be had is down with its error, and rearm gets it when it can be had (kernel fact 10)") {
  const test::TempDir dir;
  const std::size_t limit = open_files_limit();
  REQUIRE(test::set_open_files_limit(3).ok());
  NetnsWatcher watcher({dir.path()});
  const auto inotify = watcher.inotify_state();
  const auto mounts = watcher.mounts_state();
  CHECK_FALSE(watcher.rearm());
  CHECK(watcher.read().empty());
  REQUIRE(test::set_open_files_limit(limit).ok());
  CHECK(watcher.inotify_fd() == -1);
  CHECK(watcher.mounts_fd() == -1);
  REQUIRE_FALSE(inotify.ok());
  CHECK(inotify.error().code == EMFILE);
  REQUIRE_FALSE(mounts.ok());
  CHECK(mounts.error().code == EMFILE);
  CHECK(watcher.rearm());
  CHECK(is_up(watcher));
  CHECK(watcher.mounts_state().ok());
  test::write_file(dir / "a", "");
  CHECK(events(watcher) == Strings{"IN_CREATE a"});
}

TEST_CASE("a mount table that can be read only later is news, as mounts before that are unknown") {
  const test::TempDir dir;
  cover("/proc");
  NetnsWatcher watcher({dir.path()});
  const bool again = watcher.rearm();
  const bool uncovered = ::umount2("/proc", 0) == 0;
  REQUIRE(uncovered);
  CHECK_FALSE(again);
  CHECK_FALSE(watcher.mounts_state().ok());
  CHECK(is_up(watcher));
  CHECK(watcher.rearm());
  CHECK(watcher.mounts_state().ok());
  CHECK_FALSE(watcher.rearm());
}

TEST_CASE("an inotify that can be had only later is news, even while the directory is absent") {
  const test::TempDir dir;
  const std::size_t limit = open_files_limit();
  // Leaves room for the mount table only.
  const int next = ::dup(0);
  REQUIRE(next >= 0);
  ::close(next);
  REQUIRE(test::set_open_files_limit(static_cast<std::size_t>(next) + 1).ok());
  NetnsWatcher watcher({dir / "netns"});
  const bool again = watcher.rearm();
  REQUIRE(test::set_open_files_limit(limit).ok());
  CHECK_FALSE(again);
  CHECK(watcher.mounts_state().ok());
  CHECK_FALSE(is_up(watcher));
  CHECK(watcher.rearm());
  CHECK(is_up(watcher));
  CHECK_FALSE(watcher.rearm());
}

TEST_CASE("event names are those of inotify(7), without flags") {
  using Names = std::vector<std::string_view>;
  CHECK(inotify_event_names(IN_CREATE | IN_ISDIR) == Names{"IN_CREATE"});
  CHECK(inotify_event_names(IN_MOVED_TO | IN_DELETE) == Names{"IN_DELETE", "IN_MOVED_TO"});
  CHECK(inotify_event_names(0).empty());
}

TEST_CASE("the numbers of event names are the kernel's") {
  const std::vector<std::pair<std::string_view, std::uint32_t>> kernel{{"IN_ACCESS", IN_ACCESS},
                                                                       {"IN_ATTRIB", IN_ATTRIB},
                                                                       {"IN_CLOSE_WRITE", IN_CLOSE_WRITE},
                                                                       {"IN_CLOSE_NOWRITE", IN_CLOSE_NOWRITE},
                                                                       {"IN_CREATE", IN_CREATE},
                                                                       {"IN_DELETE", IN_DELETE},
                                                                       {"IN_DELETE_SELF", IN_DELETE_SELF},
                                                                       {"IN_MODIFY", IN_MODIFY},
                                                                       {"IN_MOVE_SELF", IN_MOVE_SELF},
                                                                       {"IN_MOVED_FROM", IN_MOVED_FROM},
                                                                       {"IN_MOVED_TO", IN_MOVED_TO},
                                                                       {"IN_OPEN", IN_OPEN},
                                                                       {"IN_ALL_EVENTS", IN_ALL_EVENTS},
                                                                       {"IN_MOVE", IN_MOVE},
                                                                       {"IN_CLOSE", IN_CLOSE},
                                                                       {"IN_IGNORED", IN_IGNORED},
                                                                       {"IN_ISDIR", IN_ISDIR},
                                                                       {"IN_Q_OVERFLOW", IN_Q_OVERFLOW},
                                                                       {"IN_UNMOUNT", IN_UNMOUNT},
                                                                       {"IN_DONT_FOLLOW", IN_DONT_FOLLOW},
                                                                       {"IN_EXCL_UNLINK", IN_EXCL_UNLINK},
                                                                       {"IN_MASK_ADD", IN_MASK_ADD},
                                                                       {"IN_MASK_CREATE", IN_MASK_CREATE},
                                                                       {"IN_ONESHOT", IN_ONESHOT},
                                                                       {"IN_ONLYDIR", IN_ONLYDIR}};
  CHECK(inotify_events().size() == kernel.size());
  for (const auto& [name, bits] : kernel) {
    CAPTURE(name);
    CHECK(inotify_bits(name) == bits);
  }
  CHECK_FALSE(inotify_bits("IN_CRAETE"));
}

TEST_CASE("other events are told when asked for, those of reading the directory never") {
  const test::TempDir dir;
  NetnsWatcher watcher({dir.path()});
  test::write_file(dir / "a", "");
  CHECK(events(watcher) == Strings{"IN_CREATE a"});
  watcher.request_events(IN_OPEN | IN_ATTRIB | IN_CLOSE_NOWRITE | IN_ISDIR);
  ::close(::open((dir / "a").c_str(), O_RDONLY | O_CLOEXEC));
  ::closedir(::opendir(dir.path().c_str()));
  REQUIRE(::chmod((dir / "a").c_str(), 0600) == 0);
  REQUIRE(::chmod(dir.path().c_str(), 0700) == 0);
  CHECK(events(watcher) == Strings{"IN_OPEN a", "IN_CLOSE_NOWRITE a", "IN_ATTRIB a", "IN_ATTRIB "});
  CHECK_FALSE(watcher.rearm());  // a watch that is added again keeps its event mask
  ::close(::open((dir / "a").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(events(watcher) == Strings{"IN_OPEN a", "IN_CLOSE_NOWRITE a"});
  watcher.request_events(0);
  ::close(::open((dir / "a").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(events(watcher).empty());
}

}  // namespace
}  // namespace nswarden
