// SPDX-License-Identifier: Apache-2.0
#include "web/tcp.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

namespace nswarden {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

AddressList look_up(const std::string& host, AddressFamily family, int flags) {
  addrinfo hints{};
  hints.ai_family = family == AddressFamily::ipv4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) found = nullptr;
  return {found, &::freeaddrinfo};
}

std::optional<std::uint16_t> local_port(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length) != 0) return std::nullopt;
  if (address.storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
  }
  if (address.storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> numeric_address(const std::string& host, AddressFamily family) {
  const AddressList found = look_up(host, family, 0);
  if (!found) return std::nullopt;
  char text[NI_MAXHOST];
  if (::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) {
    return std::nullopt;
  }
  return std::string(text);
}

Result<Fd> listen_on(const std::string& numeric_host, std::uint16_t port, AddressFamily family) {
  const AddressList found = look_up(numeric_host, family, AI_NUMERICHOST | AI_PASSIVE);
  if (!found) return Error{EADDRNOTAVAIL, "look up"};
  SocketAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.length = found->ai_addrlen;
  if (family == AddressFamily::ipv4) {
    reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port = htons(port);
  }
  Fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error{errno, "socket"};
  const int on = 1;
  // Connections of an earlier run in TIME_WAIT do not count.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return Error{errno, "setsockopt"};
  if (::bind(fd.get(), address.get(), address.length) != 0) return Error{errno, "bind"};
  if (::listen(fd.get(), 1) != 0) return Error{errno, "listen"};
  return fd;
}

void stop_sockets(const std::vector<std::uint16_t>& local_ports, Stop what) {
  struct Close {
    void operator()(DIR* open) const { ::closedir(open); }
  };
  const std::unique_ptr<DIR, Close> directory(::opendir("/proc/self/fd"));
  if (!directory) return;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    int fd = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec != std::errc{}) continue;
    const auto port = local_port(fd);
    if (!port || std::find(local_ports.begin(), local_ports.end(), *port) == local_ports.end()) continue;
    ::shutdown(fd, what == Stop::all ? SHUT_RDWR : SHUT_RD);
  }
}

}  // namespace nswarden
