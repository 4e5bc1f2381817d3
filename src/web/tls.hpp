// SPDX-License-Identifier: Apache-2.0
// TLS as a server speaks it, by OpenSSL: what certificates and rules of one web configuration come to, and the one context that CivetWeb holds,
// which hands each new connection over to the newest of them. There is no resumption of sessions: what a client may is decided
// anew at each connection. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include <nswarden/base/result.hpp>

#include "web/web_tls.hpp"

struct ssl_ctx_st;

namespace nswarden {

/// PEM, read from wherever the configuration says.
struct TlsTexts {
  std::string certificate;
  std::string key;
  std::string client_ca;  ///< empty: none
};

/// OpenSSL's context, freed with its last user.
using TlsContext = std::shared_ptr<ssl_ctx_st>;

/// The certificates and rules of one version of the web configuration, checked and ready; not changed any more, and shared by
/// connections. Or a problem that names the text or field at fault; it has no place.
std::variant<TlsContext, Problem> make_tls_context(const WebTls& tls, const TlsTexts& texts);

/// The context that CivetWeb holds for as long as the server lives. Made and ended by the loop's thread.
class TlsServer {
 public:
  using Newest = std::function<TlsContext()>;

  /// `newest` is asked at each connection, by the thread that serves it; null refuses the connection. It must not throw.
  explicit TlsServer(Newest newest);
  TlsServer(const TlsServer&) = delete;  // OpenSSL knows where newest_ is
  TlsServer& operator=(const TlsServer&) = delete;

  [[nodiscard]] ssl_ctx_st* context() const { return context_.get(); }

 private:
  Newest newest_;
  TlsContext context_;
};

}  // namespace nswarden
