// SPDX-License-Identifier: Apache-2.0
#include "rtnl_hold.hpp"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>

namespace nswarden::test {
namespace {

Fd open_faults() {
  Fd fd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  uffdio_api api{};
  api.api = UFFD_API;
  if (fd && ::ioctl(fd.get(), UFFDIO_API, &api) != 0) fd.reset();
  return fd;
}

std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

void check(bool done, const char* attempt) {
  if (!done) throw std::system_error(errno, std::generic_category(), attempt);
}

/// The kernel handles this request while it holds RTNL, and copies half of the reply to a missing page.
void query_interface(char* answer) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_data = answer;
  (void)::ioctl(socket.get(), SIOCETHTOOL, &request);
}

}  // namespace

bool RtnlHold::possible() { return static_cast<bool>(open_faults()); }

RtnlHold::RtnlHold()
    : pages_(static_cast<char*>(::mmap(nullptr, 2 * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
      faults_(open_faults()) {
  check(pages_ != MAP_FAILED && faults_, "userfaultfd");
  uffdio_register missing{};
  missing.range = {reinterpret_cast<std::uintptr_t>(pages_) + page_size(), page_size()};
  missing.mode = UFFDIO_REGISTER_MODE_MISSING;
  check(::ioctl(faults_.get(), UFFDIO_REGISTER, &missing) == 0, "UFFDIO_REGISTER");
  // The command ends at the first page, and the reply starts the second.
  char* const value = pages_ + page_size() - sizeof(ethtool_value::cmd);
  const std::uint32_t command = ETHTOOL_GFLAGS;
  std::memcpy(value, &command, sizeof command);
  holder_ = std::thread([value] { query_interface(value); });
  pollfd fault{faults_.get(), POLLIN, 0};
  if (::poll(&fault, 1, 20000) == 1) return;
  release();
  throw std::system_error(ETIMEDOUT, std::generic_category(), "hold RTNL");
}

void RtnlHold::release() {
  if (!holder_.joinable()) return;
  uffdio_zeropage page{};
  page.range = {reinterpret_cast<std::uintptr_t>(pages_) + page_size(), page_size()};
  // If this fails, closing the userfaultfd also resumes the kernel.
  (void)::ioctl(faults_.get(), UFFDIO_ZEROPAGE, &page);
  faults_.reset();
  holder_.join();
}

RtnlHold::~RtnlHold() {
  release();
  ::munmap(pages_, 2 * page_size());
}

}  // namespace nswarden::test
