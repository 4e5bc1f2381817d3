// SPDX-License-Identifier: Apache-2.0
// The file of --web.config.file, in the format of Prometheus' exporter-toolkit, read as strictly as the configuration: every
// problem at once, with its line and column, and a file with a problem gives nothing at all. No message repeats a key or a
// hash. Files that it names are not read here, and their paths stay as they are written. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/base/result.hpp>

#include "web/web_tls.hpp"

namespace nswarden {

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
