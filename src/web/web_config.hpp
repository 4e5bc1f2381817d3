// SPDX-License-Identifier: Apache-2.0
// The file of --web.config.file, in the format of Prometheus' exporter-toolkit, read as strictly as the configuration: every
// problem at once, with its line and column, and a file with a problem gives nothing at all. No message repeats a key or a
// hash. Files that it names are not read here, and their paths stay as they are written. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/config/config.hpp>

namespace nswarden {

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

/// Added to each response. Both are printable ASCII.
struct WebHeader {
  std::string name;
  std::string value;  ///< not empty
  bool operator==(const WebHeader&) const = default;
};

struct WebUser {
  std::string name;  ///< not empty, without colons and control characters
  std::string hash;  ///< of bcrypt, well-formed, 60 bytes
  bool operator==(const WebUser&) const = default;
};

struct WebConfig {
  std::optional<WebTls> tls;       ///< none: plain HTTP
  std::vector<WebHeader> headers;  ///< no name twice
  std::vector<WebUser> users;      ///< no name twice; empty: everyone may read
};

/// A check of one password at cost 14 takes about 0.9 s of a core, and the daemon's end waits for it; at each cost above twice as long.
constexpr int max_bcrypt_cost = 14;

/// A text of nothing but blanks and comments is an empty WebConfig; else refused as by parse_config(). Problems come in the order
/// of their positions.
std::variant<WebConfig, std::vector<Problem>> parse_web_config(std::string_view yaml);

}  // namespace nswarden
