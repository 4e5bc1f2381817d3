// SPDX-License-Identifier: Apache-2.0
#include "web/web_config.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/config.hpp>
#include <nswarden/config/yaml_fields.hpp>

namespace nswarden {
namespace {

using Kind = YamlNode::Kind;
using Problems = std::vector<Problem>;

constexpr std::array<Field, 4> web_fields{
    {{"tls_server_config"}, {"http_server_config"}, {"basic_auth_users"}, {"rate_limit"}}};
constexpr std::array<Field, 2> http_fields{{{"http2"}, {"headers"}}};
constexpr std::array<Field, 2> rate_limit_fields{{{"interval"}, {"burst"}}};
constexpr std::array<Field, 5> header_fields{{{"Content-Security-Policy"},
                                              {"X-Frame-Options"},
                                              {"X-Content-Type-Options"},
                                              {"X-XSS-Protection"},
                                              {"Strict-Transport-Security"}}};

/// Allowed values of these headers.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> header_values{
    {{"X-Frame-Options", "deny"}, {"X-Frame-Options", "sameorigin"}, {"X-Content-Type-Options", "nosniff"}}};

constexpr std::size_t longest_header = 8192;

/// Returns the mapping; null if absent or, with a problem added, of another kind.
const YamlNode* find_mapping(const YamlFields& fields, std::string_view field) {
  const YamlNode* node = fields.find(field);
  if (node == nullptr || !is_kind(*node, Kind::mapping, fields.path(field), fields.problems())) return nullptr;
  return node;
}

std::optional<std::string> header_problem(std::string_view name, std::string_view value) {
  const auto is_printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (value.size() > longest_header) return fmt::format("longer than {} bytes", longest_header);
  if (!std::all_of(value.begin(), value.end(), is_printable)) {
    return "invalid value, expected printable ASCII characters on one line";
  }
  std::vector<std::string_view> allowed;
  for (const auto& [header, allowed_value] : header_values) {
    if (header == name) allowed.push_back(allowed_value);
  }
  if (allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return std::nullopt;
  return fmt::format("invalid value \"{}\", expected {}", excerpt(value), fmt::join(allowed, " or "));
}

std::vector<WebHeader> read_headers(const YamlFields& http) {
  const YamlNode* node = find_mapping(http, "headers");
  if (node == nullptr) return {};
  Problems& problems = http.problems();
  const YamlFields fields(*node, http.path("headers"), header_fields, problems);
  std::vector<WebHeader> headers;
  for (const Field& field : header_fields) {
    const YamlNode* header = fields.find(field.name);
    if (header == nullptr || header->kind == Kind::null) continue;  // blank: not sent
    if (!is_kind(*header, Kind::scalar, fields.path(field.name), problems) || header->text.empty()) continue;
    if (const auto problem = header_problem(field.name, header->text)) {
      problems.push_back({header->position, fmt::format("{}: {}", fields.path(field.name), *problem)});
    } else {
      headers.push_back({std::string(field.name), header->text});
    }
  }
  return headers;
}

/// Accepts http2 without effect: it permits HTTP/2, and the server always speaks HTTP/1.1.
std::vector<WebHeader> read_http(const YamlFields& top) {
  const YamlNode* node = find_mapping(top, "http_server_config");
  if (node == nullptr) return {};
  const YamlFields fields(*node, "http_server_config", http_fields, top.problems());
  read_boolean(fields, "http2");
  return read_headers(fields);
}

bool is_bcrypt_letter(char c) {
  return c == '.' || c == '/' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// A hash is `$2b$12$`, 22 letters of salt and 31 of the checksum.
std::optional<std::string> hash_problem(std::string_view hash) {
  constexpr std::string_view no_hash =
      "invalid bcrypt hash, expected 60 characters that start with $2a$, $2b$ or $2y$; create one with htpasswd -nBC 10 \"\"";
  constexpr std::string_view versions = "aby";
  const bool is_framed = hash.size() == 60 && hash.starts_with("$2") && versions.find(hash[2]) != std::string_view::npos &&
                         hash[3] == '$' && hash[6] == '$';
  const auto cost = is_framed ? parse_number<std::uint16_t>(hash.substr(4, 2)) : std::nullopt;
  if (!cost || !std::all_of(hash.begin() + 7, hash.end(), is_bcrypt_letter)) return std::string(no_hash);
  if (*cost < 4 || *cost > 31) return fmt::format("invalid cost {}, expected 4 to 31", *cost);
  if (*cost > max_bcrypt_cost) {
    return fmt::format("invalid cost {}, expected at most {}: a check would take seconds", *cost, max_bcrypt_cost);
  }
  return std::nullopt;
}

std::vector<WebUser> read_users(const YamlFields& top) {
  const YamlNode* node = find_mapping(top, "basic_auth_users");
  if (node == nullptr) return {};
  Problems& problems = top.problems();
  std::vector<WebUser> users;
  for (const YamlNode& entry : node->children) {
    const std::string path = fmt::format("basic_auth_users.{}", excerpt(entry.key));
    if (entry.key.empty() || has_control(entry.key) || entry.key.find(':') != std::string::npos) {
      problems.push_back(
          {entry.key_position,
           fmt::format("{}: invalid user name, expected at least one character, no colons and no control characters", path)});
    }
    if (!is_kind(entry, Kind::scalar, path, problems)) continue;
    if (const auto problem = hash_problem(entry.text)) {
      problems.push_back({entry.position, fmt::format("{}: {}", path, *problem)});
    } else {
      users.push_back({entry.key, entry.text});
    }
  }
  return users;
}

/// The format writes "no limit" as an interval of 0.
void refuse_rate_limit(const YamlFields& top) {
  const YamlNode* node = find_mapping(top, "rate_limit");
  if (node == nullptr) return;
  const YamlFields fields(*node, "rate_limit", rate_limit_fields, top.problems());
  const YamlNode* interval = fields.find("interval");
  const bool is_off = interval == nullptr || interval->text == "0" || interval->text == "0s";
  if (is_off && (interval == nullptr || interval->kind == Kind::scalar)) return;
  top.problems().push_back({interval->position,
                            "rate_limit is not supported: nswarden limits the number of concurrent requests, not "
                            "their rate; remove it"});
}

/// Only blanks and comments, which parse_yaml() treats as a truncated configuration.
bool is_blank(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = take_until(text, '\n');
    const std::size_t first = line.find_first_not_of(" \t");
    if (first != std::string_view::npos && line[first] != '#') return false;
  }
  return true;
}

WebConfig read_web_config(const YamlNode& root, Problems& problems) {
  WebConfig config;
  if (!is_kind(root, Kind::mapping, "the file", problems)) return config;
  const YamlFields top(root, "", web_fields, problems);
  if (const YamlNode* tls = find_mapping(top, "tls_server_config")) {
    config.tls = read_web_tls(*tls, "tls_server_config", problems);
  }
  config.headers = read_http(top);
  config.users = read_users(top);
  refuse_rate_limit(top);
  return config;
}

}  // namespace

std::variant<WebConfig, std::vector<Problem>> parse_web_config(std::string_view yaml) {
  if (is_blank(yaml)) return WebConfig{};
  YamlTree tree = parse_yaml(yaml);
  WebConfig config;
  if (tree.root) config = read_web_config(*tree.root, tree.problems);
  if (tree.problems.empty()) return config;
  std::stable_sort(tree.problems.begin(), tree.problems.end(), precedes);
  return std::move(tree.problems);
}

}  // namespace nswarden
