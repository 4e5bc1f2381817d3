// SPDX-License-Identifier: Apache-2.0
// Parses the file of --web.config.file, in the format of Prometheus' exporter-toolkit, as strictly as the configuration:
// reports every problem in one pass with its line and column, and rejects a file with any problem as a whole. No message
// repeats a key or a hash. Does not read the files that it names; their paths stay as written. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/base/result.hpp>

#include "web/web_tls.hpp"

namespace nswarden {

/// A header of each response. Both fields are printable ASCII.
struct WebHeader {
  std::string name;
  std::string value;  ///< not empty
  bool operator==(const WebHeader&) const = default;
};

struct WebUser {
  std::string name;  ///< not empty, without colons and control characters
  std::string hash;  ///< bcrypt, well-formed, 60 bytes
  bool operator==(const WebUser&) const = default;
};

struct WebConfig {
  std::optional<WebTls> tls;       ///< nullopt for plain HTTP
  std::vector<WebHeader> headers;  ///< names are unique
  std::vector<WebUser> users;      ///< names are unique; empty for unrestricted access
};

/// At cost 14 a password check takes about 0.9 s of a core and delays shutdown; each higher cost doubles that.
constexpr int max_bcrypt_cost = 14;

/// A text of only blanks and comments is an empty WebConfig; other texts are rejected as by parse_config(). Problems are
/// sorted by position.
std::variant<WebConfig, std::vector<Problem>> parse_web_config(std::string_view yaml);

}  // namespace nswarden
