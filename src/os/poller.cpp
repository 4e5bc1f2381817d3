// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/poller.hpp>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>
#include <system_error>

namespace nswarden {
namespace {

int wait_precisely(int epoll, std::span<epoll_event> events, std::chrono::nanoseconds timeout) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timespec limit{static_cast<time_t>(whole.count()), static_cast<long>((timeout - whole).count())};
  const timespec* const until = timeout == Poller::forever ? nullptr : &limit;
  return ::epoll_pwait2(epoll, events.data(), static_cast<int>(events.size()), until, nullptr);
}

int wait_roughly(int epoll, std::span<epoll_event> events, std::chrono::nanoseconds timeout) {
  // Rounded up: a loop that wakes before its next deadline would spin.
  using std::chrono::milliseconds;
  constexpr milliseconds longest{std::numeric_limits<int>::max()};
  const milliseconds rounded = timeout >= longest ? longest : std::chrono::ceil<milliseconds>(timeout);
  const int limit = timeout == Poller::forever ? -1 : static_cast<int>(rounded.count());
  return ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), limit);
}

}  // namespace

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), ready_{} {
  if (!epoll_) throw std::system_error(errno, std::generic_category(), "cannot create an epoll instance");
}

Result<void> Poller::add(int fd, std::uint32_t events, std::uint64_t token) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  // Never EPOLL_CTL_MOD: it polls the file, and polling the mount table consumes a pending event (kernel fact 49).
  if (errno == EEXIST) return {};
  return Error{errno, "add to epoll"};
}

void Poller::remove(int fd) { (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

std::span<const Poller::Ready> Poller::wait(std::chrono::nanoseconds timeout) {
  timeout = std::max(timeout, std::chrono::nanoseconds::zero());
  std::array<epoll_event, std::tuple_size_v<decltype(ready_)>> events{};
  int count = wait_precisely(epoll_.get(), events, timeout);
  // Needs Linux 5.11. System call filters of older container runtimes do not know it and return EPERM (kernel fact 62).
  if (count < 0 && errno != EINTR) count = wait_roughly(epoll_.get(), events, timeout);
  const auto size = static_cast<std::size_t>(std::max(count, 0));
  for (std::size_t i = 0; i < size; ++i) ready_[i] = {events[i].data.u64, events[i].events};
  return {ready_.data(), size};
}

Waker::Waker() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot create an eventfd");
}

void Waker::wake() const {
  const std::uint64_t one = 1;
  // Any other failure means that the counter is full, and then the loop is awake.
  while (::write(fd_.get(), &one, sizeof one) < 0 && errno == EINTR) continue;
}

bool Waker::read() const {
  std::uint64_t count = 0;
  return ::read(fd_.get(), &count, sizeof count) == static_cast<ssize_t>(sizeof count);
}

}  // namespace nswarden
