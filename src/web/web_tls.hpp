// SPDX-License-Identifier: Apache-2.0
// The mapping tls_server_config of a web configuration: its names are those of Go's crypto/tls, what comes out has OpenSSL's.
// Besides wrong values, combinations are refused that would protect less than they seem to. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nswarden/base/result.hpp>

namespace nswarden {

struct YamlNode;

enum class TlsVersion : std::uint8_t { tls10, tls11, tls12, tls13 };

/// What is asked of a client's certificate; verified is one that the client CA signed.
enum class ClientAuth : std::uint8_t { none, request, require_any, verify_if_given, require_and_verify };

/// Certificates or a key in PEM: exactly one of `path` and `text` is not empty.
struct PemSource {
  std::string path;  ///< as it is written: relative ones are meant from the folder of the file that names them
  std::string text;  ///< written in the file itself
  Position where;
};

struct WebTls {
  PemSource certificate;  ///< the server's, intermediate ones behind it
  PemSource key;
  ClientAuth client_auth = ClientAuth::none;
  std::optional<PemSource> client_ca;  ///< there when `client_auth` verifies; never with ClientAuth::none
  /// A client's certificate has one of them; empty: names do not count. Only with ClientAuth::require_and_verify.
  std::vector<std::string> client_allowed_sans;
  TlsVersion min_version = TlsVersion::tls12;  ///< never above max_version
  TlsVersion max_version = TlsVersion::tls13;
  std::vector<std::string> ciphers;  ///< up to TLS 1.2, in OpenSSL's names and the order written; empty: OpenSSL's defaults
  std::vector<std::string> groups;   ///< in OpenSSL's names and the order written; empty: OpenSSL's defaults
  bool prefer_server_ciphers = true;
};

/// Of no use when a problem was added.
WebTls read_web_tls(const YamlNode& node, const std::string& path, std::vector<Problem>& problems);

}  // namespace nswarden
