// SPDX-License-Identifier: Apache-2.0
// The input is a web configuration. The parser either rejects it, with a position for each problem, or returns a usable one.
#include <set>
#include <vector>

#include "web/web_config.hpp"

#include "oracle.hpp"
#include "problems.hpp"

using namespace nswarden;

namespace {

void check_pem(const PemSource& source) {
  fuzz::require(source.path.empty() != source.text.empty(), "PEM comes from a file or from the text", source.path);
  fuzz::require(printable(source.path).find("\\x0") == std::string::npos, "a path has no control characters", source.path);
  fuzz::require(source.position.line >= 1 && source.position.column >= 1, "PEM has a place", source.path);
}

void check_names(const std::vector<std::string>& names) {
  fuzz::require(std::set<std::string>(names.begin(), names.end()).size() == names.size(), "a list has each name once");
  for (const std::string& name : names) fuzz::require(!name.empty(), "a name is not empty");
}

void check_tls(const WebTls& tls) {
  const bool verifies = tls.client_auth == ClientAuth::verify_if_given || tls.client_auth == ClientAuth::require_and_verify;
  check_pem(tls.certificate);
  check_pem(tls.key);
  if (tls.client_ca) check_pem(*tls.client_ca);
  fuzz::require(tls.client_ca.has_value() || !verifies, "what verifies has a CA");
  fuzz::require(!tls.client_ca || tls.client_auth != ClientAuth::none, "a CA is used");
  fuzz::require(tls.client_allowed_sans.empty() || tls.client_auth == ClientAuth::require_and_verify,
                "names are those of verified certificates");
  fuzz::require(tls.min_version <= tls.max_version, "there is a version to speak");
  check_names(tls.client_allowed_sans);
  check_names(tls.ciphers);
  check_names(tls.groups);
  for (const std::string& cipher : tls.ciphers)
    fuzz::require(cipher.starts_with("ECDHE-"), "a cipher is one of OpenSSL", cipher);
}

void check_web_config(const WebConfig& config) {
  if (config.tls) check_tls(*config.tls);
  std::set<std::string> seen;
  for (const WebHeader& header : config.headers) {
    fuzz::require(seen.insert(header.name).second, "a header is there once", header.name);
    const bool is_line = !header.value.empty() && printable(header.value).size() >= header.value.size() &&
                         header.value.find_first_of("\r\n") == std::string::npos &&
                         header.value.find('\0') == std::string::npos;
    fuzz::require(is_line, "a header is one line", header.value);
  }
  seen.clear();
  for (const WebUser& user : config.users) {
    fuzz::require(seen.insert(user.name).second, "a user is there once", user.name);
    fuzz::require(!user.name.empty() && user.name.find(':') == std::string::npos, "a user's name can be sent", user.name);
    fuzz::require(user.hash.size() == 60 && user.hash.starts_with("$2"), "a hash is one of bcrypt", user.hash);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  const auto parsed = parse_web_config(text);
  if (const auto* problems = std::get_if<std::vector<Problem>>(&parsed)) {
    fuzz::check_problems(text, *problems);
  } else {
    check_web_config(*std::get_if<WebConfig>(&parsed));
  }
  return 0;
}
