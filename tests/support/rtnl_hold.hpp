// SPDX-License-Identifier: Apache-2.0
// Holds RTNL, the kernel lock taken by interface changes and by writes of some sysctls, for as long as a test needs it. One
// RTNL serves the whole machine: hold it only briefly, and do not create or remove netns meanwhile.
#pragma once

#include <thread>

#include <nswarden/os/fd.hpp>

namespace nswarden::test {

class RtnlHold {
 public:
  /// Whether this kernel provides userfaultfd.
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
