// SPDX-License-Identifier: Apache-2.0
#include "daemon/service_notices.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <catch.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace {

using namespace nswarden;
using namespace std::chrono_literals;
using nswarden::Fd;
using nswarden::ServiceEnvironment;
using nswarden::Time;

/// An abstract socket address leaves no file behind.
struct Manager {
  std::string address = "@nswarden-unit-" + std::to_string(::getpid());
  Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};

  Manager() {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    address.copy(to.sun_path, address.size());
    to.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&to), size) == 0);
  }
  [[nodiscard]] std::vector<std::string> received() const {
    std::vector<std::string> notices;
    std::array<char, 4096> notice{};
    for (ssize_t size = 0; (size = ::recv(socket.get(), notice.data(), notice.size(), 0)) >= 0;) {
      notices.emplace_back(notice.data(), static_cast<std::size_t>(size));
    }
    return notices;
  }
  [[nodiscard]] ServiceEnvironment environment(std::chrono::microseconds watchdog) const {
    ServiceEnvironment service{address, {}};
    if (watchdog.count() > 0) service.watchdog = watchdog;
    return service;
  }
};

struct Subject {
  Manager manager;
  Log log{2, LogLevel::error, LogFormat::logfmt};
  ServiceNotices notices;
  Time now{100s};

  explicit Subject(std::chrono::microseconds watchdog = {}) : notices(manager.environment(watchdog), log) {}
};

}  // namespace

using Received = std::vector<std::string>;

TEST_CASE("a service manager is told of each change once") {
  Subject subject;
  auto& [manager, log, notices, now] = subject;
  notices.reloading(now);
  CHECK(manager.received().empty());
  notices.ready("fine", now);
  notices.ready("fine", now);
  CHECK(manager.received() == Received{"READY=1\nSTATUS=fine\n"});
  notices.ready("worse", now);
  CHECK(manager.received() == Received{"STATUS=worse\n"});
  notices.reloading(now);
  notices.ready("worse", now);
  CHECK(manager.received() == Received{"RELOADING=1\nMONOTONIC_USEC=100000000\n", "READY=1\n"});
  notices.stopping(now);
  CHECK(manager.received() == Received{"STOPPING=1\nSTATUS=\n"});
  CHECK_FALSE(notices.due());
}

TEST_CASE("the watchdog is fed in a quarter of its time at the earliest and asks for it after half") {
  Subject subject(8s);
  auto& [manager, log, notices, now] = subject;
  notices.alive(now);
  notices.alive(now + 1s);
  CHECK(manager.received() == Received{"WATCHDOG=1"});
  CHECK(notices.due() == now + 4s);
  notices.alive(now + 2s);
  CHECK(manager.received() == Received{"WATCHDOG=1"});
  CHECK(notices.due() == now + 6s);
}

TEST_CASE("what a busy service manager does not take is told it again, the newest alone") {
  Subject subject;
  auto& [manager, log, notices, now] = subject;
  notices.ready("0", now);
  std::size_t sent = 1;
  while (!notices.due()) notices.ready(std::to_string(sent++), now);
  REQUIRE(sent < 100'000);
  CHECK(notices.due() == now + 100ms);
  notices.ready("last but one", now);
  notices.ready("last", now);
  CHECK(manager.received().size() == sent - 1);
  notices.send_again(now + 50ms);
  CHECK(manager.received().empty());
  notices.send_again(now + 100ms);
  CHECK(manager.received() == Received{"STATUS=last\n"});
  CHECK_FALSE(notices.due());
}

TEST_CASE("a service manager that is gone is asked seldom, and without one nothing is done") {
  Log log{2, LogLevel::error, LogFormat::logfmt};
  const Time now{100s};
  for (const char* address : {"@nswarden-nobody-listens-here", "/nonexistent/notify", "no-path", "vsock:2:1"}) {
    ServiceNotices notices({address, 8s}, log);
    notices.ready("fine", now);
    CHECK(notices.due() == now + 5s);
  }
  ServiceNotices notices({"/" + std::string(200, 'x'), {}}, log);
  notices.ready("fine", now);
  CHECK(notices.due() == now + 5s);
  ServiceNotices none({"", 8s}, log);
  none.ready("fine", now);
  none.alive(now);
  CHECK_FALSE(none.due());
}
