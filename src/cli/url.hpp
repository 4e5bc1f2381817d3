// SPDX-License-Identifier: Apache-2.0
// The address of a daemon as somebody typed it: http or https, with credentials perhaps. Refuses whatever else a URL may have,
// and never repeats credentials. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace nswarden {

struct Url {
  bool tls = false;
  bool ipv6 = false;        ///< `host` was in brackets
  std::string host;         ///< a name or a numeric address, without brackets; plain characters only
  std::uint16_t port = 0;   ///< 80 or 443 when none was given
  std::string path;         ///< what stands before the paths of the API: empty, or from its first slash, without one at its end
  std::string credentials;  ///< USER:PASSWORD, decoded bytes; empty for none

  /// HOST:PORT, as in a Host header.
  [[nodiscard]] std::string authority() const;
  /// For people: without credentials, one line of plain characters.
  [[nodiscard]] std::string shown() const;
};

/// `http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]`, or one line that says what is wrong and repeats nothing of `text`.
std::variant<Url, std::string> parse_url(std::string_view text);

}  // namespace nswarden
