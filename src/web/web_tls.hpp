// SPDX-License-Identifier: Apache-2.0
// Parses the mapping tls_server_config of a web configuration: its names are Go's crypto/tls, the result uses OpenSSL's.
// Rejects invalid values and combinations that protect less than they suggest. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nswarden/base/result.hpp>

namespace nswarden {

struct YamlNode;

enum class TlsVersion : std::uint8_t { tls10, tls11, tls12, tls13 };

/// Requirement on a client's certificate; "verify" means signed by the client CA.
enum class ClientAuth : std::uint8_t { none, request, require_any, verify_if_given, require_and_verify };

/// PEM certificates or a key: exactly one of `path` and `text` is not empty.
struct PemSource {
  std::string path;  ///< as written; relative to the folder of the file that names it
  std::string text;  ///< inline PEM
  Position position;
};

struct WebTls {
  PemSource certificate;  ///< the server's, followed by intermediate ones
  PemSource key;
  ClientAuth client_auth = ClientAuth::none;
  std::optional<PemSource> client_ca;  ///< set if `client_auth` verifies; never with ClientAuth::none
  /// Names of which a client's certificate needs one; empty for any. Only with ClientAuth::require_and_verify.
  std::vector<std::string> client_allowed_sans;
  TlsVersion min_version = TlsVersion::tls12;  ///< at most max_version
  TlsVersion max_version = TlsVersion::tls13;
  std::vector<std::string> ciphers;  ///< up to TLS 1.2, as OpenSSL's names in the order written; empty for OpenSSL's defaults
  std::vector<std::string> groups;   ///< as OpenSSL's names in the order written; empty for OpenSSL's defaults
  bool prefer_server_ciphers = true;
};

/// The result is invalid if a problem was added.
WebTls read_web_tls(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

}  // namespace nswarden
