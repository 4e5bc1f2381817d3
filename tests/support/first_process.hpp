// SPDX-License-Identifier: Apache-2.0
// Overrides /proc/1/ns/net for this program. On test machines, process 1 may be hidden or in the test's own netns.
#pragma once

#include <sys/mount.h>
#include <sys/stat.h>

#include <string>

#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden::test {

/// Places process 1 in the given netns for the lifetime of this object.
class FirstProcess {
 public:
  explicit FirstProcess(const TestNetns& netns) {
    netns_dir();
    REQUIRE(::mount("none", "/proc/1", "tmpfs", 0, nullptr) == 0);
    REQUIRE((::chmod("/proc/1", 0755) == 0 && ::mkdir("/proc/1/ns", 0755) == 0));
    bind_mount(netns.path(), "/proc/1/ns/net");
  }
  ~FirstProcess() { ::umount2("/proc/1", MNT_DETACH); }
  FirstProcess(const FirstProcess&) = delete;
  FirstProcess& operator=(const FirstProcess&) = delete;
};

}  // namespace nswarden::test
