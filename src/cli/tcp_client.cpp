// SPDX-License-Identifier: Apache-2.0
#include "cli/tcp_client.hpp"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

timespec time_until(Deadline deadline) {
  const nanoseconds left = std::max<nanoseconds>(deadline - Clock::now(), nanoseconds{0});
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((left - seconds).count())};
}

Error lookup_error(int code) {
  if (code == EAI_SYSTEM && errno != 0) return {errno, look_up_attempt};
  return {code == EAI_AGAIN || code == EAI_MEMORY ? EAGAIN : ENOENT, look_up_attempt};
}

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// A lookup in another thread of libc: getaddrinfo() itself waits for DNS as long as resolv.conf allows.
struct Lookup {
  std::string host;
  std::string port;
  addrinfo hints{};
  gaicb request{};
};

Result<Addresses> find_addresses(const std::string& host, std::uint16_t port, Deadline deadline) {
  auto lookup = std::make_unique<Lookup>();
  lookup->host = host;
  lookup->port = std::to_string(port);
  lookup->hints.ai_socktype = SOCK_STREAM;
  lookup->hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(lookup->host.c_str(), lookup->port.c_str(), &lookup->hints, &found) == 0) {
    return Addresses(found, &::freeaddrinfo);
  }
  lookup->hints.ai_flags = AI_NUMERICSERV;
  lookup->request.ar_name = lookup->host.c_str();
  lookup->request.ar_service = lookup->port.c_str();
  lookup->request.ar_request = &lookup->hints;
  gaicb* request = &lookup->request;
  if (const int error = ::getaddrinfo_a(GAI_NOWAIT, &request, 1, nullptr); error != 0) return lookup_error(error);
  int state = EAI_INPROGRESS;
  while ((state = ::gai_error(request)) == EAI_INPROGRESS) {
    const timespec left = time_until(deadline);
    if (left.tv_sec == 0 && left.tv_nsec == 0) break;
    const gaicb* const waited = request;
    ::gai_suspend(&waited, 1, &left);
  }
  if (state == EAI_INPROGRESS) {
    // Unless cancelled before its start, libc's thread still uses it.
    if (::gai_cancel(request) != EAI_CANCELED) (void)lookup.release();
    return Error{ETIMEDOUT, look_up_attempt};
  }
  if (state != 0) return lookup_error(state);
  return Addresses(request->ar_result, &::freeaddrinfo);
}

Result<Fd> connect_one(const addrinfo& address, Deadline deadline) {
  Fd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error{errno, "socket"};
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS) return Error{errno, "connect"};
  if (!wait_ready(fd.get(), Readiness::writable, deadline)) return Error{ETIMEDOUT, "connect"};
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return Error{errno, "getsockopt"};
  if (error != 0) return Error{error, "connect"};
  return fd;
}

std::ptrdiff_t count_of(const addrinfo* first) {
  std::ptrdiff_t count = 0;
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) ++count;
  return count;
}

sigset_t broken_pipe() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  return set;
}

}  // namespace

Result<Fd> connect_to(const std::string& host, std::uint16_t port, Deadline deadline) {
  auto found = find_addresses(host, port, deadline);
  if (!found) return found.error();
  Error error{ENOENT, look_up_attempt};
  std::ptrdiff_t left = count_of(found->get());
  for (const addrinfo* one = found->get(); one != nullptr; one = one->ai_next, --left) {
    const Deadline now = Clock::now();
    auto connected = connect_one(*one, now + (deadline - now) / left);
    if (connected) return connected;
    error = connected.error();
  }
  return error;
}

bool wait_ready(int fd, Readiness wanted, Deadline deadline) {
  pollfd polled{fd, static_cast<short>(wanted == Readiness::readable ? POLLIN : POLLOUT), 0};
  while (Clock::now() < deadline) {
    const timespec left = time_until(deadline);
    const int count = ::ppoll(&polled, 1, &left, nullptr);
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) return false;
  }
  return false;
}

BrokenPipeBlocked::BrokenPipeBlocked() {
  const sigset_t set = broken_pipe();
  ::pthread_sigmask(SIG_BLOCK, &set, &before_);
}

BrokenPipeBlocked::~BrokenPipeBlocked() {
  const sigset_t set = broken_pipe();
  const timespec at_once{};
  if (::sigismember(&before_, SIGPIPE) == 0) {
    while (::sigtimedwait(&set, nullptr, &at_once) == SIGPIPE) continue;
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace nswarden
