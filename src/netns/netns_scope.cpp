// SPDX-License-Identifier: Apache-2.0
#include "netns/netns_scope.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace nswarden {

HomeNetns::HomeNetns() : fd_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
  struct stat status {};
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot open the current network namespace (/proc/thread-self/ns/net)");
  }
  inode_ = status.st_ino;
  device_ = status.st_dev;
}

Result<NetnsScope> NetnsScope::enter(int netns, const HomeNetns& home) {
  if (::setns(netns, CLONE_NEWNET) != 0) return Error{errno, "setns"};
  return NetnsScope(home);
}

Result<void> NetnsScope::try_home(const HomeNetns& home) {
  if (::setns(home.fd(), CLONE_NEWNET) != 0) return Error{errno, "setns"};
  return {};
}

NetnsScope::~NetnsScope() {
  if (home_ != nullptr && ::setns(home_->fd(), CLONE_NEWNET) != 0) std::abort();
}

}  // namespace nswarden
