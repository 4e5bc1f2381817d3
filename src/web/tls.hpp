// SPDX-License-Identifier: Apache-2.0
// Server-side TLS by OpenSSL: builds a context from the certificates and settings of one web configuration. CivetWeb holds a
// single context, which switches each new connection to the newest one. Sessions are not resumed, so each connection is
// authorized anew. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include <nswarden/base/result.hpp>

#include "web/web_tls.hpp"

struct ssl_ctx_st;

namespace nswarden {

/// PEM texts, read from the files or fields of the configuration.
struct TlsTexts {
  std::string certificate;
  std::string key;
  std::string client_ca;  ///< empty for none
};

/// OpenSSL's context, freed with its last user.
using TlsContext = std::shared_ptr<ssl_ctx_st>;

/// Builds an immutable context, which connections share, from one version of the web configuration. A problem names the
/// faulty text or field and has no position.
std::variant<TlsContext, Problem> make_tls_context(const WebTls& tls, const TlsTexts& texts);

/// The context that CivetWeb holds while the server lives. The loop's thread creates and destroys it.
class TlsServer {
 public:
  using Newest = std::function<TlsContext()>;

  /// Each connection's thread calls `newest`, which must not throw; null rejects the connection.
  explicit TlsServer(Newest newest);
  TlsServer(const TlsServer&) = delete;  // OpenSSL holds the address of newest_
  TlsServer& operator=(const TlsServer&) = delete;

  [[nodiscard]] ssl_ctx_st* context() const { return context_.get(); }

 private:
  Newest newest_;
  TlsContext context_;
};

}  // namespace nswarden
