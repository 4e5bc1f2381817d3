// SPDX-License-Identifier: Apache-2.0
// GET from a daemon, over plain TCP or TLS: one connection an answer, all of it before a deadline, however slowly the server
// sends. Asks no proxy, follows no redirect, and believes no certificate that it cannot verify. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include <nswarden/base/result.hpp>
#include <nswarden/cli/options.hpp>
#include "cli/tcp_client.hpp"

struct ssl_ctx_st;

namespace nswarden {

/// The address of a daemon as somebody typed it. It has nothing else that a URL may have.
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

/// `http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]`, or a problem without a place, which repeats nothing of `text`. Pure.
std::variant<Url, Problem> parse_url(std::string_view text);

struct HttpAnswer {
  int status = 0;
  std::string body;
};

struct HttpProblem {
  enum class Kind : std::uint8_t {
    unreachable,        ///< no connection, or it broke
    late,               ///< the deadline came first
    untrusted,          ///< its certificate
    wrong_name,         ///< its certificate is for another host
    wants_certificate,  ///< of us
    tls,                ///< any other quarrel about TLS
    no_tls,             ///< it speaks something else
    unreadable_answer,  ///< no HTTP, short, too long, ...
    tls_files,          ///< ours cannot be used
  };
  Kind kind = Kind::unreachable;
  std::string why;  ///< for people, one line; has no credentials
};

class HttpClient {
 public:
  static constexpr std::size_t most_body_bytes = std::size_t{16} * 1024 * 1024;

  /// `url` and `files` must outlive it.
  HttpClient(const Url& url, const TlsFiles& files, Deadline deadline);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// `path` is appended to that of the URL.
  std::variant<HttpAnswer, HttpProblem> get(const std::string& path);

 private:
  [[nodiscard]] std::string request(const std::string& path) const;

  const Url& url_;
  const TlsFiles& files_;
  Deadline deadline_;
  BrokenPipeBlocked no_signal_;
  std::shared_ptr<ssl_ctx_st> tls_;  // OpenSSL's SSL_CTX, null until it is wanted
};

}  // namespace nswarden
