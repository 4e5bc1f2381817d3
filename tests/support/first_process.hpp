// SPDX-License-Identifier: Apache-2.0
// What /proc/1/ns/net shows, for this program alone: where tests run, process 1 may be out of sight, or be in our own netns.
#pragma once

#include <sys/mount.h>
#include <sys/stat.h>

#include <string>

#include "catch.hpp"
#include "private_netns.hpp"

namespace nswarden::test {

/// While it lives, process 1 is in this netns.
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
