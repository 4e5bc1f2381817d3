// SPDX-License-Identifier: Apache-2.0
#include "web/tcp.hpp"

#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

// Rejects commas and spaces too, which separate addresses in CivetWeb's option.
bool is_host_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

bool is_ipv6_character(char c) { return is_host_character(c) || c == ':' || c == '%'; }

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

AddressList look_up(const std::string& host, const char* port, AddressFamily family, int flags) {
  addrinfo hints{};
  hints.ai_family = family == AddressFamily::ipv4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port, &hints, &found) != 0) found = nullptr;
  return {found, &::freeaddrinfo};
}

std::optional<std::uint16_t> local_port(int fd) {
  sockaddr_in6 address{};  // sockaddr_in has family and port at the same offsets
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return std::nullopt;
  if (address.sin6_family != AF_INET && address.sin6_family != AF_INET6) return std::nullopt;
  return ntohs(address.sin6_port);
}

}  // namespace

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.empty()) return ListenAddress{ListenAddress::Host::any, {}, *port};
  const bool is_ipv6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_ipv6) host = host.substr(1, host.size() - 2);
  if (!std::all_of(host.begin(), host.end(), is_ipv6 ? is_ipv6_character : is_host_character)) return std::nullopt;
  return ListenAddress{is_ipv6 ? ListenAddress::Host::ipv6 : ListenAddress::Host::name, std::string(host), *port};
}

std::optional<std::string> numeric_address(const std::string& host, AddressFamily family) {
  const AddressList found = look_up(host, nullptr, family, 0);
  if (!found) return std::nullopt;
  char text[NI_MAXHOST];
  if (::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) {
    return std::nullopt;
  }
  return std::string(text);
}

Result<Fd> listen_on(const std::string& numeric_host, std::uint16_t port, AddressFamily family) {
  const AddressList found =
      look_up(numeric_host, std::to_string(port).c_str(), family, AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE);
  if (!found) return Error{EADDRNOTAVAIL, "look up"};
  Fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error{errno, "socket"};
  const int on = 1;
  // Allows binding while connections of an earlier run are in TIME_WAIT.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return Error{errno, "setsockopt"};
  if (::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0) return Error{errno, "bind"};
  if (::listen(fd.get(), 1) != 0) return Error{errno, "listen"};
  return fd;
}

void stop_sockets(const std::vector<std::uint16_t>& local_ports, Stop stop) {
  struct Close {
    void operator()(DIR* open) const { ::closedir(open); }
  };
  const std::unique_ptr<DIR, Close> directory(::opendir("/proc/self/fd"));
  if (!directory) return;
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto fd = parse_number<int>(entry->d_name);
    const auto port = fd ? local_port(*fd) : std::nullopt;
    if (!port || std::find(local_ports.begin(), local_ports.end(), *port) == local_ports.end()) continue;
    ::shutdown(*fd, stop == Stop::all ? SHUT_RDWR : SHUT_RD);
  }
}

}  // namespace nswarden
