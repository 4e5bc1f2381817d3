// SPDX-License-Identifier: Apache-2.0
// Holds RTNL, the lock of the kernel that changes of interfaces and of some sysctls take, for as long as a test wants it. The
// lock is one for the whole machine: hold it for a moment only, and make and remove no netns meanwhile.
#pragma once

#include <thread>

#include <nswarden/os/fd.hpp>

namespace nswarden::test {

class RtnlHold {
 public:
  /// Whether this kernel has the means, which is userfaultfd.
  static bool possible();

  RtnlHold();
  ~RtnlHold();
  RtnlHold(const RtnlHold&) = delete;
  RtnlHold& operator=(const RtnlHold&) = delete;
  void release();

 private:
  char* pages_;
  Fd faults_;
  std::thread holder_;
};

}  // namespace nswarden::test
