// SPDX-License-Identifier: Apache-2.0
#include <nswarden/web/listen_address.hpp>

#include <algorithm>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

// Also keeps commas and spaces, which separate addresses for CivetWeb, out of what it is given.
bool is_host_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

bool is_ipv6_character(char c) { return is_host_character(c) || c == ':' || c == '%'; }

}  // namespace

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.empty()) return ListenAddress{ListenAddress::Host::any, {}, *port};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!std::all_of(host.begin(), host.end(), is_ipv6_character)) return std::nullopt;
    return ListenAddress{ListenAddress::Host::ipv6, std::string(host), *port};
  }
  if (!std::all_of(host.begin(), host.end(), is_host_character)) return std::nullopt;
  return ListenAddress{ListenAddress::Host::name, std::string(host), *port};
}

std::optional<std::string> decoded_path(std::string_view raw) {
  std::string path;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      path += raw[i];
      continue;
    }
    const std::string_view digits = raw.substr(i + 1, 2);
    const auto byte = digits.size() == 2 ? parse_number<std::uint8_t>(digits, 16) : std::nullopt;
    if (!byte || *byte == 0) return std::nullopt;
    path += static_cast<char>(*byte);
    i += 2;
  }
  return path;
}

}  // namespace nswarden
