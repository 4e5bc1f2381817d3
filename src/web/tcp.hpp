// SPDX-License-Identifier: Apache-2.0
// Listen addresses and TCP helpers of the server: resolves names, checks that an address is free, and ends waiting
// connections. Any thread.
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
  enum class Host { any, name, ipv6 };  ///< `name` includes IPv4 addresses
  Host kind = Host::any;
  std::string host;  ///< without brackets; empty for any
  std::uint16_t port = 0;
};

/// Parses `:PORT`, `HOST:PORT` or `[V6]:PORT`; rejects everything else.
std::optional<ListenAddress> parse_listen_address(std::string_view text);

enum class AddressFamily : std::uint8_t { ipv4, ipv6 };

/// The first numeric address of `host` in `family`, or nullopt. May query DNS, so the loop must not call it.
std::optional<std::string> numeric_address(const std::string& host, AddressFamily family);

/// Opens a listening socket. Holding several shows that all addresses are available together.
/// Errors: EADDRINUSE, EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, ...
Result<Fd> listen_on(const std::string& numeric_host, std::uint16_t port, AddressFamily family);

/// Wakes every thread that waits on a TCP socket of this process with one of these local ports: listening sockets stop
/// accepting and connections read end of file; with Stop::all they also cannot send.
enum class Stop : std::uint8_t { reading, all };
void stop_sockets(const std::vector<std::uint16_t>& local_ports, Stop stop);

}  // namespace nswarden
