// SPDX-License-Identifier: Apache-2.0
#include <nswarden/os/notify_socket.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

std::string_view environment(const char* name) {
  const char* const value = ::getenv(name);  // NOLINT(concurrency-mt-unsafe): called before other threads start
  return value == nullptr ? std::string_view() : std::string_view(value);
}

}  // namespace

NotifySocket::NotifySocket(std::string address) : address_(std::move(address)) {
  if (!has_listener()) return;
  fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) error_ = errno;
}

Result<void> NotifySocket::send(std::string_view lines) const {
  constexpr std::string_view attempt = "send to $NOTIFY_SOCKET";
  if (error_ != 0) return Error{error_, attempt};
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const bool abstract = address_.front() == '@';
  if (!abstract && address_.front() != '/') return Error{EAFNOSUPPORT, attempt};
  if (address_.size() >= sizeof to.sun_path) return Error{ENAMETOOLONG, attempt};
  address_.copy(to.sun_path, address_.size());
  if (abstract) to.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  while (true) {
    const auto sent =
        ::sendto(fd_.get(), lines.data(), lines.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size);
    if (sent >= 0) return {};
    if (errno != EINTR) return Error{errno, attempt};
  }
}

ServiceEnvironment service_environment() {
  ServiceEnvironment service;
  service.notify_socket = environment("NOTIFY_SOCKET");
  const std::string_view pid = environment("WATCHDOG_PID");
  if (!pid.empty() && parse_number<std::uint64_t>(pid) != static_cast<std::uint64_t>(::getpid())) return service;
  if (const auto patience = parse_number<std::uint64_t>(environment("WATCHDOG_USEC")); patience && *patience > 0) {
    service.watchdog = std::chrono::microseconds(*patience);
  }
  return service;
}

}  // namespace nswarden
