// SPDX-License-Identifier: Apache-2.0
#include <nswarden/web/url.hpp>

#include <fmt/format.h>

#include <cstdint>

#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

/// Decodes `%NN` at the front.
std::optional<std::uint8_t> coded_byte(std::string_view text) {
  return text.size() < 3 || text[0] != '%' ? std::nullopt : parse_number<std::uint8_t>(text.substr(1, 2), 16);
}

/// Accepts any bytes: a `%` without a code is literal.
std::string query_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = coded_byte(text.substr(i));
    if (byte) i += 2;
    out += byte ? static_cast<char>(*byte) : text[i] == '+' ? ' ' : text[i];
  }
  return out;
}

/// Decoded value of the last parameter of that name; empty if absent.
std::string query_value(std::string_view query, std::string_view name) {
  std::string value;
  while (!query.empty()) {
    std::string_view rest = take_until(query, '&');
    if (query_decoded(take_until(rest, '=')) == name) value = query_decoded(rest);
  }
  return value;
}

bool is_unreserved(char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string percent_encoded(std::string_view bytes, std::string_view kept) {
  std::string out;
  for (const char c : bytes) {
    if (is_unreserved(c) || kept.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

/// printable() never shortens a name.
bool is_selected(const std::string& selected, const std::string& name) {
  return selected.empty() || (name.size() <= selected.size() && printable(name) == selected);
}

}  // namespace

std::optional<std::string> decoded_path(std::string_view raw) {
  std::string path;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      path += raw[i];
      continue;
    }
    const auto byte = coded_byte(raw.substr(i));
    if (!byte || *byte == 0) return std::nullopt;
    path += static_cast<char>(*byte);
    i += 2;
  }
  return path;
}

std::string query_encoded(std::string_view bytes) { return percent_encoded(bytes, {}); }

std::string path_encoded(std::string_view path) { return percent_encoded(path, "/"); }

Filter Filter::of_query(std::string_view query) {
  return {printed_text(query_value(query, "netns")), printed_text(query_value(query, "policy"))};
}

bool Filter::matches(const Finding& finding) const {
  return is_selected(netns, finding.netns) && is_selected(policy, finding.policy);
}

std::string netns_link(std::string_view name) { return "/?netns=" + query_encoded(printable(name)); }

std::string policy_link(std::string_view name) { return "/?policy=" + query_encoded(printable(name)); }

}  // namespace nswarden
