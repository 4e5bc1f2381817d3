// SPDX-License-Identifier: Apache-2.0
// HttpClient sends GET requests to a daemon over plain TCP or TLS: one connection per response, with one deadline for all of
// it, however slowly the server sends. It uses no proxy, follows no redirect, and rejects certificates that it cannot verify.
// One thread.
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

/// The user-supplied address of a daemon. Other URL components are rejected.
struct Url {
  bool tls = false;
  bool ipv6 = false;        ///< `host` was in brackets
  std::string host;         ///< name or numeric address, without brackets; plain characters only
  std::uint16_t port = 0;   ///< default 80 or 443
  std::string path;         ///< prefix of the API paths: empty, or starts with a slash and does not end with one
  std::string credentials;  ///< USER:PASSWORD, decoded bytes; empty for none

  /// HOST:PORT, as in a Host header.
  [[nodiscard]] std::string authority() const;
  /// One line of plain characters for display, without credentials.
  [[nodiscard]] std::string display_text() const;
};

/// Parses `http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]`. A problem has no position and quotes no part of `text`. Pure.
std::variant<Url, Problem> parse_url(std::string_view text);

struct HttpAnswer {
  int status = 0;
  std::string body;
};

struct HttpProblem {
  enum class Kind : std::uint8_t {
    unreachable,           ///< connection failed or broke
    timed_out,             ///< deadline exceeded
    untrusted,             ///< server certificate
    name_mismatch,         ///< the certificate is for another host
    certificate_required,  ///< from the client
    tls,                   ///< any other TLS error
    not_tls,               ///< not TLS
    invalid_response,      ///< not HTTP, truncated, too long, ...
    tls_files,             ///< the client's files are unusable
  };
  Kind kind = Kind::unreachable;
  std::string reason;  ///< one line for display, without credentials
};

class HttpClient {
 public:
  static constexpr std::size_t max_body_bytes = std::size_t{16} * 1024 * 1024;

  /// `url` and `files` must outlive it.
  HttpClient(const Url& url, const TlsFiles& files, Deadline deadline);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Appends `path` to that of the URL.
  std::variant<HttpAnswer, HttpProblem> get(const std::string& path);

 private:
  [[nodiscard]] std::string request(const std::string& path) const;

  const Url& url_;
  const TlsFiles& files_;
  Deadline deadline_;
  BrokenPipeBlocked no_signal_;
  std::shared_ptr<ssl_ctx_st> tls_;  // OpenSSL's SSL_CTX, created on first use
};

}  // namespace nswarden
