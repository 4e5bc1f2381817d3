// SPDX-License-Identifier: Apache-2.0
// Addresses to listen on, and the TCP calls that a server needs besides serving: names made numeric, a check that an address is
// free, and an end to connections that wait. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/base/result.hpp>
#include <nswarden/os/fd.hpp>

namespace nswarden {

struct ListenAddress {
  enum class Host { any, name, ipv6 };  ///< `name` may be an IPv4 address too
  Host kind = Host::any;
  std::string host;  ///< without brackets; empty for any
  std::uint16_t port = 0;
};

/// `:PORT`, `HOST:PORT` or `[V6]:PORT`, nothing else.
std::optional<ListenAddress> parse_listen_address(std::string_view text);

enum class AddressFamily : std::uint8_t { ipv4, ipv6 };

/// The first address of `host` in `family`, numeric; none when there is none. May ask DNS, so not for the loop.
std::optional<std::string> numeric_address(const std::string& host, AddressFamily family);

/// A socket that listens there. Holding several shows whether all can be had at the same time.
/// Errors: EADDRINUSE, EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, ...
Result<Fd> listen_on(const std::string& numeric_host, std::uint16_t port, AddressFamily family);

/// Wakes every thread that waits on a TCP socket of this process with one of these local ports: listening ones end, others
/// read as if the peer had closed; with Stop::all they cannot send any more either.
enum class Stop : std::uint8_t { reading, all };
void stop_sockets(const std::vector<std::uint16_t>& local_ports, Stop what);

}  // namespace nswarden
