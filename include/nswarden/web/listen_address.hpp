// SPDX-License-Identifier: Apache-2.0
// What --web.listen-address takes, and what a URL's path means. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nswarden {

struct ListenAddress {
  enum class Host { any, name, ipv6 };  ///< `name` may be an IPv4 address too
  Host kind = Host::any;
  std::string host;  ///< without brackets; empty for any
  std::uint16_t port = 0;
};

/// `:PORT`, `HOST:PORT` or `[V6]:PORT`, nothing else.
std::optional<ListenAddress> parse_listen_address(std::string_view text);

/// The path of a request, %XX decoded once. None when it cannot be a path of ours: a NUL or a `%` that is no code.
std::optional<std::string> decoded_path(std::string_view raw);

}  // namespace nswarden
