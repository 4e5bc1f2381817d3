// SPDX-License-Identifier: Apache-2.0
// A procfs other than the one at /proc, such as the host's in a container: the tests read, write and watch sysctls there.
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include <nswarden/os/procfs.hpp>
#include "catch.hpp"
#include "netns/sysctl_tree.hpp"
#include "private_netns.hpp"

namespace nswarden {
namespace {

using test::TempDir;

/// Mounts and selects a second procfs; the destructor selects `/proc` again.
class OtherProcfs {
 public:
  OtherProcfs() { REQUIRE(::mount("proc", directory_.path().c_str(), "proc", 0, nullptr) == 0); }
  ~OtherProcfs() {
    (void)use_procfs("/proc").ok();
    ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  OtherProcfs(const OtherProcfs&) = delete;
  OtherProcfs& operator=(const OtherProcfs&) = delete;

  [[nodiscard]] std::string path() const { return directory_.path(); }

 private:
  TempDir directory_;
};

TEST_CASE("what is no procfs is refused, and /proc stays in use") {
  const TempDir empty;
  const auto absent = use_procfs(empty / "nothing");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == ENOENT);
  REQUIRE((::mkdir((empty / "sys").c_str(), 0755) == 0 && ::mkdir((empty / "sys/net").c_str(), 0755) == 0));
  const auto other = use_procfs(empty.path());
  REQUIRE_FALSE(other);
  CHECK(other.error().code == EMEDIUMTYPE);
  CHECK(procfs() == "/proc");
}

TEST_CASE("sysctls are those of the procfs that was chosen") {
  const OtherProcfs other;
  REQUIRE(use_procfs(other.path()));
  CHECK(in_procfs("1/ns/net") == other.path() + "/1/ns/net");
  struct stat chosen {};
  struct stat at_proc {};
  struct stat tree {};
  REQUIRE((::stat(in_procfs("sys/net").c_str(), &chosen) == 0 && ::stat("/proc/sys/net", &at_proc) == 0));
  const SysctlTree opened;
  REQUIRE(::fstat(opened.root(), &tree) == 0);
  CHECK(tree.st_dev == chosen.st_dev);
  CHECK(tree.st_dev != at_proc.st_dev);
}

TEST_CASE("a procfs through which nothing can be written is known") {
  CHECK_FALSE(procfs_is_read_only());
  const OtherProcfs other;
  const std::string sys = other.path() + "/sys";
  REQUIRE(::mount(sys.c_str(), sys.c_str(), nullptr, MS_BIND, nullptr) == 0);
  REQUIRE(::mount("none", sys.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0);
  REQUIRE(use_procfs(other.path()));
  CHECK(procfs_is_read_only());
  ::umount2(sys.c_str(), MNT_DETACH);
  CHECK_FALSE(procfs_is_read_only());
}

}  // namespace
}  // namespace nswarden
