// SPDX-License-Identifier: Apache-2.0
#include "cli/url.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include <nswarden/web/listen_address.hpp>

namespace nswarden {
namespace {

using UrlOrProblem = std::variant<Url, std::string>;

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name_character(char c) { return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_'; }
bool is_address_character(char c) { return is_name_character(c) || c == ':' || c == '%'; }
/// What can stand in a request line; a query would come before the paths that are added.
bool is_path_character(char c) { return c > ' ' && c <= '~' && c != '?' && c != '#' && c != '\\'; }

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || stopped != end || port == 0) return std::nullopt;
  return port;
}

/// Takes `USER:PASSWORD@` off `authority`. Empty when all is well.
std::string take_credentials(std::string_view& authority, Url& url) {
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::string_view user_info = authority.substr(0, at);
  authority.remove_prefix(at + 1);
  const std::size_t colon = user_info.find(':');
  if (colon == std::string_view::npos) return "has a user without a password; the form is USER:PASSWORD@HOST";
  const auto user = decoded_path(user_info.substr(0, colon));
  const auto password = decoded_path(user_info.substr(colon + 1));
  if (!user || !password) return "has a user or password with a % that no two hexadecimal digits follow; write % as %25";
  if (user->find(':') != std::string::npos) return "has a user with a colon, which basic authentication cannot carry";
  url.credentials = *user + ':' + *password;
  return {};
}

/// Takes the host off `rest`, up to the colon of a port. Empty when all is well.
std::string take_host(std::string_view& rest, Url& url) {
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return "has a [ without a ]";
    std::string_view host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    url.ipv6 = true;
    // A zone (fe80::1%eth0), whose percent sign a URL should have as %25.
    const std::size_t zone = host.find('%');
    url.host = host.substr(0, zone);
    if (url.host.find(':') == std::string::npos) return "has no IPv6 address between its brackets";
    if (zone != std::string_view::npos) {
      host.remove_prefix(host.substr(zone).starts_with("%25") ? zone + 3 : zone + 1);
      url.host += '%';
      url.host += host;
    }
    return std::all_of(url.host.begin(), url.host.end(), is_address_character) ? ""
                                                                               : "has no IPv6 address between its brackets";
  }
  const std::size_t colon = std::min(rest.find(':'), rest.size());
  url.host = rest.substr(0, colon);
  rest.remove_prefix(colon);
  if (rest.find(':', 1) != std::string_view::npos) return "has an IPv6 address without brackets; write [ADDRESS]:PORT";
  if (url.host.empty()) return "names no host";
  return std::all_of(url.host.begin(), url.host.end(), is_name_character)
             ? ""
             : "has a host with characters that no host name has; what is special in a user or password is written as %NN";
}

}  // namespace

std::string Url::authority() const {
  const std::string bare = host.substr(0, host.find('%'));  // a zone means nothing elsewhere
  return ipv6 ? fmt::format("[{}]:{}", bare, port) : fmt::format("{}:{}", bare, port);
}

std::string Url::shown() const {
  return fmt::format("{}://{}{}{}:{}{}", tls ? "https" : "http", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port, path);
}

std::variant<Url, std::string> parse_url(std::string_view text) {
  Url url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://")) return UrlOrProblem("does not start with http:// or https://");
  text.remove_prefix(url.tls ? 8 : 7);
  const std::size_t slash = std::min(text.find('/'), text.size());
  url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  if (!std::all_of(url.path.begin(), url.path.end(), is_path_character)) {
    return UrlOrProblem("has a path with characters that do not belong there; it takes no query and no fragment");
  }
  if (url.path.find('@') != std::string::npos)
    return UrlOrProblem("has a / before its @; in a user or password write / as %2F");
  std::string_view authority = text.substr(0, slash);
  if (std::string problem = take_credentials(authority, url); !problem.empty()) return problem;
  if (std::string problem = take_host(authority, url); !problem.empty()) return problem;
  url.port = url.tls ? 443 : 80;
  if (authority.empty()) return url;
  const auto port = authority.starts_with(':') ? port_of(authority.substr(1)) : std::nullopt;
  if (!port) return UrlOrProblem("has a port that is no number from 1 to 65535");
  url.port = *port;
  return url;
}

}  // namespace nswarden
