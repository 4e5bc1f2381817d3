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

/// The certificates and rules of one version of the web configuration, checked and ready. Immutable, shared by connections.
class TlsSettings {
 public:
  /// The settings, or a problem that names the text or field at fault; it has no place.
  static std::variant<std::shared_ptr<const TlsSettings>, Problem> make(const WebTls& tls, const TlsTexts& texts);

  [[nodiscard]] ssl_ctx_st* context() const { return context_.get(); }

  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  using Context = std::unique_ptr<ssl_ctx_st, Free>;

 private:
  explicit TlsSettings(Context context) : context_(std::move(context)) {}

  Context context_;
};

/// The context that CivetWeb holds for as long as the server lives. Made and ended by the loop's thread.
class TlsServer {
 public:
  using Newest = std::function<std::shared_ptr<const TlsSettings>()>;

  /// `newest` is asked at each connection, by the thread that serves it; null refuses the connection. It must not throw.
  explicit TlsServer(Newest newest);
  TlsServer(const TlsServer&) = delete;  // OpenSSL knows where newest_ is
  TlsServer& operator=(const TlsServer&) = delete;

  [[nodiscard]] ssl_ctx_st* context() const { return context_.get(); }

 private:
  Newest newest_;
  TlsSettings::Context context_;
};

}  // namespace nswarden
