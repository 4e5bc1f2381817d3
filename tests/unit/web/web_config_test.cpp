// SPDX-License-Identifier: Apache-2.0
// Accepted web configurations, and the message of each rejection.
#include "web/web_config.hpp"

#include <nswarden/config/config.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace nswarden;

namespace {

using Strings = std::vector<std::string>;

constexpr std::string_view hash = "$2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu";

WebConfig web_config_of(std::string_view text) {
  auto parsed = parse_web_config(text);
  if (const auto* problems = std::get_if<std::vector<Problem>>(&parsed)) {
    for (const Problem& problem : *problems) UNSCOPED_INFO(format_problem("web", problem));
  }
  REQUIRE(std::holds_alternative<WebConfig>(parsed));
  return *std::get_if<WebConfig>(&parsed);
}

WebTls tls_of(std::string_view lines) {
  const WebConfig config = web_config_of("tls_server_config:\n  cert_file: c.pem\n  key_file: k.pem\n" + std::string(lines));
  REQUIRE(config.tls);
  return *config.tls;
}

std::string problems_of(std::string_view text) {
  const auto parsed = parse_web_config(text);
  std::string all;
  if (const auto* problems = std::get_if<std::vector<Problem>>(&parsed)) {
    for (const Problem& problem : *problems) all += format_problem("f", problem) + '\n';
  }
  return all;
}

/// The problems of `lines` after a certificate and a key, starting at line 4.
std::string tls_problems_of(std::string_view lines) {
  return problems_of("tls_server_config:\n  cert_file: c.pem\n  key_file: k.pem\n" + std::string(lines));
}

std::string user_problems_of(std::string_view user, std::string_view its_hash) {
  return problems_of("basic_auth_users:\n  " + std::string(user) + ": " + std::string(its_hash) + "\n");
}

TEST_CASE("a web configuration that says nothing asks for nothing") {
  for (const std::string_view text : {"", "\n", "# only a comment", "  # one\n\n\t# two\n", "{}\n", "basic_auth_users: {}\n"}) {
    CAPTURE(text);
    const WebConfig config = web_config_of(text);
    CHECK_FALSE(config.tls);
    CHECK(config.headers.empty());
    CHECK(config.users.empty());
  }
}

TEST_CASE("a certificate and its key are enough for TLS, with the defaults of the toolkit") {
  const WebTls tls = tls_of("");
  CHECK(tls.certificate.path == "c.pem");
  CHECK(tls.certificate.text.empty());
  CHECK(tls.certificate.position.line == 2);
  CHECK(tls.certificate.position.column == 14);
  CHECK(tls.key.path == "k.pem");
  CHECK(tls.client_auth == ClientAuth::none);
  CHECK_FALSE(tls.client_ca);
  CHECK(tls.client_allowed_sans.empty());
  CHECK(tls.min_version == TlsVersion::tls12);
  CHECK(tls.max_version == TlsVersion::tls13);
  CHECK(tls.ciphers.empty());
  CHECK(tls.groups.empty());
  CHECK(tls.prefer_server_ciphers);
}

TEST_CASE("certificates and keys may be written in the web configuration itself") {
  const WebConfig config = web_config_of(R"(tls_server_config:
  client_auth_type: VerifyClientCertIfGiven
  cert: |
    -----BEGIN CERTIFICATE-----
    MIIB
    -----END CERTIFICATE-----
  key: "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
  client_ca: |
    -----BEGIN CERTIFICATE-----
    MIIC
    -----END CERTIFICATE-----
)");
  REQUIRE(config.tls);
  CHECK(config.tls->certificate.text == "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
  CHECK(config.tls->certificate.path.empty());
  CHECK(config.tls->key.text == "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n");
  REQUIRE(config.tls->client_ca);
  CHECK(config.tls->client_ca->text == "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n");
}

TEST_CASE("Go's names of suites, curves and versions become those of OpenSSL, in the order written") {
  const WebTls tls = tls_of(R"(  min_version: TLS10
  max_version: TLS12
  prefer_server_cipher_suites: false
  curve_preferences: [X25519, CurveP256, CurveP521, CurveP384]
  cipher_suites:
    - TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    - TLS_AES_128_GCM_SHA256
    - TLS_AES_256_GCM_SHA384
    - TLS_CHACHA20_POLY1305_SHA256
    - TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
    - TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
    - TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
    - TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
    - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    - TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
)");
  CHECK(tls.min_version == TlsVersion::tls10);
  CHECK(tls.max_version == TlsVersion::tls12);
  CHECK_FALSE(tls.prefer_server_ciphers);
  CHECK(tls.groups == Strings{"X25519", "P-256", "P-521", "P-384"});
  CHECK(tls.ciphers == Strings{"ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA",
                               "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256",
                               "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
                               "ECDHE-ECDSA-CHACHA20-POLY1305"});
}

TEST_CASE("where only suites of TLS 1.3 are listed, nothing older is spoken") {
  CHECK(tls_of("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n").min_version == TlsVersion::tls13);
  CHECK(tls_problems_of("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  max_version: TLS12\n") ==
        "f:4:18: tls_server_config.cipher_suites has only suites of TLS 1.3, which max_version excludes; no client could "
        "connect\n");
}

TEST_CASE("each way to ask for client certificates is known by its name in Go") {
  CHECK(tls_of("  client_auth_type: NoClientCert\n").client_auth == ClientAuth::none);
  CHECK(tls_of("  client_auth_type: RequestClientCert\n").client_auth == ClientAuth::request);
  CHECK(tls_of("  client_auth_type: RequireAnyClientCert\n").client_auth == ClientAuth::require_any);
  CHECK(tls_of("  client_auth_type: RequireClientCert\n").client_auth == ClientAuth::require_any);
  const std::string_view ca = "  client_ca_file: ca.pem\n";
  CHECK(tls_of("  client_auth_type: VerifyClientCertIfGiven\n" + std::string(ca)).client_auth == ClientAuth::verify_if_given);
  const WebTls tls = tls_of(
      "  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.example, "
      "192.0.2.7]\n" +
      std::string(ca));
  CHECK(tls.client_auth == ClientAuth::require_and_verify);
  REQUIRE(tls.client_ca);
  CHECK(tls.client_ca->path == "ca.pem");
  CHECK(tls.client_allowed_sans == Strings{"prometheus.example", "192.0.2.7"});
}

TEST_CASE("a certificate without a key, and a key without a certificate, are refused") {
  CHECK(problems_of("tls_server_config:\n  cert_file: c.pem\n") ==
        "f:2:3: tls_server_config has no key_file; name the file of the certificate's private key\n");
  CHECK(problems_of("tls_server_config:\n  key_file: k.pem\n") ==
        "f:2:3: tls_server_config has no cert_file; name the file of the server's certificate\n");
  CHECK(problems_of("tls_server_config:\n  min_version: TLS12\n") ==
        "f:2:3: tls_server_config has no cert_file; name the file of the server's certificate\n"
        "f:2:3: tls_server_config has no key_file; name the file of the certificate's private key\n");
  CHECK(problems_of("tls_server_config:\n") == "f:1:1: tls_server_config: expected a mapping, found nothing\n");
  CHECK(problems_of("tls_server_config:\n  cert_file: \"\"\n  key_file:\n") ==
        "f:2:14: tls_server_config.cert_file is empty; name a file\n"
        "f:3:3: tls_server_config.key_file: expected a single value, found nothing\n");
  CHECK(tls_problems_of("  cert: x\n") == "f:4:3: tls_server_config has both cert_file and cert; keep one of them\n");
  CHECK(problems_of("tls_server_config:\n  cert: server.pem\n  key_file: k\n") ==
        "f:2:9: tls_server_config.cert is not PEM text, expected a line -----BEGIN; use cert_file for the name of a file\n");
}

TEST_CASE("combinations that would protect less than they seem to are refused") {
  CHECK(tls_problems_of("  client_ca_file: ca.pem\n") ==
        "f:4:3: tls_server_config.client_ca_file: clients are not asked for a certificate; set client_auth_type: "
        "RequireAndVerifyClientCert\n");
  for (const std::string& type : Strings{"VerifyClientCertIfGiven", "RequireAndVerifyClientCert"}) {
    CHECK(tls_problems_of("  client_auth_type: " + type + "\n") ==
          "f:4:21: tls_server_config.client_auth_type verifies certificates, which requires a client CA; set "
          "client_ca_file\n");
  }
  for (const std::string& type : Strings{"RequireAnyClientCert", "VerifyClientCertIfGiven\n  client_ca_file: a"}) {
    const std::string problems = tls_problems_of("  client_auth_type: " + type + "\n  client_allowed_sans: [a]\n");
    CHECK(problems.find("tls_server_config.client_allowed_sans: names do not restrict clients without a verified certificate; "
                        "set client_auth_type: RequireAndVerifyClientCert\n") != std::string::npos);
  }
  CHECK(tls_problems_of("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: a\n  client_allowed_sans: []\n") ==
        "f:6:24: tls_server_config.client_allowed_sans is an empty list; remove it\n");
  CHECK(tls_problems_of("  max_version: TLS11\n") ==
        "f:4:16: tls_server_config.max_version is below min_version, which is TLS12 by default; no client could connect\n");
}

TEST_CASE("what a web configuration does not know is told with what was probably meant") {
  CHECK(tls_problems_of(R"(  min_version: TLS1.2
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265]
  curve_preferences: [P256, X25519, X25519]
  client_auth_type: require
  prefer_server_cipher_suites: yes
)") == R"(f:4:16: tls_server_config.min_version: unknown value "TLS1.2"; did you mean TLS12?
f:5:19: tls_server_config.cipher_suites[0]: unknown value "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265"; did you mean TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256?
f:6:23: tls_server_config.curve_preferences[0]: unknown value "P256"; known are CurveP256, CurveP384, CurveP521, X25519
f:6:37: tls_server_config.curve_preferences[2]: "X25519" is listed twice; keep one of them
f:7:21: tls_server_config.client_auth_type: unknown value "require"; known are NoClientCert, RequestClientCert, RequireAnyClientCert, RequireClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert
f:8:32: tls_server_config.prefer_server_cipher_suites: invalid boolean "yes", expected true or false, without quotes
)");
  // Known to Go, but not among the suites it offers.
  CHECK(tls_problems_of("  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n").starts_with("f:4:19: "));
  CHECK(
      tls_problems_of("  client_allowed_sans: [\"\"]\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: a\n") ==
      "f:4:25: tls_server_config.client_allowed_sans[0]: invalid name, expected a DNS name, an IP address, an e-mail address "
      "or a URI as in the certificate\n");
}

TEST_CASE("a field that is misspelt is not missed besides") {
  CHECK(problems_of("tls_server_config:\n  cert_fil: c.pem\n  key_file: k.pem\n") ==
        "f:2:3: unknown field \"cert_fil\" in tls_server_config; did you mean \"cert_file\"?\n");
  CHECK(problems_of("tls_server_config:\n  certs: c.pem\n  key_file: k.pem\n") ==
        "f:2:3: unknown field \"certs\" in tls_server_config; did you mean \"cert\"?\n");
  CHECK(tls_problems_of("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_fil: ca.pem\n") ==
        "f:5:3: unknown field \"client_ca_fil\" in tls_server_config; did you mean \"client_ca_file\"?\n");
}

TEST_CASE("headers are sent as they are written; blank ones are not") {
  const WebConfig config = web_config_of(R"(http_server_config:
  http2: false
  headers:
    Strict-Transport-Security: max-age=31536000; includeSubDomains
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: ""
    Content-Security-Policy:
)");
  CHECK(config.headers == std::vector<WebHeader>{{"X-Frame-Options", "deny"},
                                                 {"X-Content-Type-Options", "nosniff"},
                                                 {"Strict-Transport-Security", "max-age=31536000; includeSubDomains"}});
}

TEST_CASE("a header that is not known, or has a value that it may not have, is refused") {
  CHECK(problems_of(R"(http_server_config:
  http2: 1
  headers:
    X-Frame-Option: deny
    X-Frame-Options: DENY
    X-Content-Type-Options: sniff
    X-XSS-Protection: "1\r\nSet-Cookie: a=b"
    Content-Security-Policy: "default-src \u201cself\u201d"
    Strict-Transport-Security: "max-age=1\x7f"
)") == R"(f:2:10: http_server_config.http2: invalid boolean "1", expected true or false, without quotes
f:4:5: unknown field "X-Frame-Option" in http_server_config.headers; did you mean "X-Frame-Options"?
f:5:22: http_server_config.headers.X-Frame-Options: invalid value "DENY", expected deny or sameorigin
f:6:29: http_server_config.headers.X-Content-Type-Options: invalid value "sniff", expected nosniff
f:7:23: http_server_config.headers.X-XSS-Protection: invalid value, expected printable ASCII characters on one line
f:8:30: http_server_config.headers.Content-Security-Policy: invalid value, expected printable ASCII characters on one line
f:9:32: http_server_config.headers.Strict-Transport-Security: invalid value, expected printable ASCII characters on one line
)");
}

TEST_CASE("users have hashes of bcrypt in each of its versions") {
  std::string text = "basic_auth_users:\n";
  for (const std::string& version : Strings{"2a", "2b", "2y"})
    text += "  " + version + ": $" + version + std::string(hash.substr(3)) + "\n";
  const WebConfig config = web_config_of(text);
  REQUIRE(config.users.size() == 3);
  CHECK(config.users[0] == WebUser{"2a", "$2a" + std::string(hash.substr(3))});
  CHECK(config.users[2] == WebUser{"2y", std::string(hash)});
}

TEST_CASE("what is no usable hash is refused without being repeated") {
  const std::string rest(hash.substr(6));
  const std::string no_hash =
      ": invalid bcrypt hash, expected 60 characters that start with $2a$, $2b$ or $2y$; create one with "
      "htpasswd -nBC 10 \"\"\n";
  for (const std::string& bad : Strings{"secret", "\"\"", "$2x$10" + rest, "$2y$1a" + rest, "$2y$10" + rest + "u", "$1$abc$def",
                                        "$2y$10" + rest.substr(0, rest.size() - 1) + "!"}) {
    CAPTURE(bad);
    CHECK(user_problems_of("alice", bad) == "f:2:10: basic_auth_users.alice" + no_hash);
  }
  CHECK(user_problems_of("alice", "$2y$03" + rest) == "f:2:10: basic_auth_users.alice: invalid cost 3, expected 4 to 31\n");
  CHECK(user_problems_of("alice", "$2y$32" + rest) == "f:2:10: basic_auth_users.alice: invalid cost 32, expected 4 to 31\n");
  CHECK(user_problems_of("alice", "$2y$15" + rest) ==
        "f:2:10: basic_auth_users.alice: invalid cost 15, expected at most 14: a check would take seconds\n");
  CHECK(user_problems_of("alice", "$2y$14" + rest).empty());
  CHECK(user_problems_of("alice", "") == "f:2:3: basic_auth_users.alice: expected a single value, found nothing\n");
}

TEST_CASE("users' names can be sent by basic authentication") {
  const std::string message = ": invalid user name, expected at least one character, no colons and no control characters\n";
  CHECK(user_problems_of("\"\"", hash) == "f:2:3: basic_auth_users." + message);
  CHECK(user_problems_of("a:b", hash) == "f:2:3: basic_auth_users.a:b" + message);
  CHECK(user_problems_of("\"a\\nb\"", hash) == "f:2:3: basic_auth_users.a\\x0ab" + message);
  CHECK(user_problems_of("\"\\u00fcn\\u00ef\"", hash).empty());
}

TEST_CASE("a limit of rates is refused, and its absence is not") {
  CHECK(problems_of("rate_limit:\n  interval: 1s\n  burst: 20\n") ==
        "f:2:13: rate_limit is not supported: nswarden limits the number of concurrent requests, not their rate; "
        "remove it\n");
  for (const std::string_view off : {"rate_limit:\n  interval: 0s\n", "rate_limit:\n  interval: 0\n  burst: 20\n"}) {
    CHECK(problems_of(off).empty());
  }
}

TEST_CASE("web configurations are read as strictly as configurations") {
  CHECK(problems_of("tls_config:\n  cert_file: a\n") ==
        "f:1:1: unknown field \"tls_config\"; known fields: tls_server_config, http_server_config, basic_auth_users, "
        "rate_limit\n");
  CHECK(problems_of("basic_auth_users:\n  a: " + std::string(hash) + "\n  a: " + std::string(hash) + "\n") ==
        "f:3:3: duplicate \"a\", first in line 2; remove one\n");
  CHECK(problems_of("basic_auth_users: {}") == "f:1:21: the file does not end with a newline; it may be truncated\n");
  CHECK(problems_of("- a\n") == "f:1:1: the file: expected a mapping, found a list\n");
}

std::string page() {
  std::ifstream file(std::string(NSWARDEN_SOURCE_DIR) + "/docs/web-config.md");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  REQUIRE_FALSE(text.empty());
  return text;
}

TEST_CASE("the examples of docs/web-config.md load") {
  const std::string text = page();
  const std::string_view fence = "```yaml\n";
  std::size_t examples = 0;
  for (std::size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
    at += fence.size();
    const std::string example = text.substr(at, text.find("```", at) - at);
    if (!example.starts_with("# web.yaml\n")) continue;  // a file of another program
    CAPTURE(example);
    const WebConfig config = web_config_of(example);
    CHECK(config.tls);
    CHECK(config.users.size() + config.headers.size() > 0);
    ++examples;
  }
  CHECK(examples == 2);
}

TEST_CASE("docs/web-config.md knows all fields and words that the parser knows") {
  const std::string text = page();
  // The parser lists the known names when it rejects an unknown one.
  for (const std::string_view unknown :
       {"0: 1\n", "tls_server_config: {0: 1}\n", "http_server_config: {0: 1}\n", "rate_limit: {0: 1}\n",
        "http_server_config: {headers: {0: 1}}\n", "tls_server_config: {cipher_suites: [0]}\n",
        "tls_server_config: {client_auth_type: 0}\n", "tls_server_config: {min_version: 0}\n",
        "tls_server_config: {curve_preferences: [0]}\n"}) {
    const std::string problems = problems_of(unknown);
    CAPTURE(unknown, problems);
    const std::string_view heading = problems.find("unknown field") != std::string::npos ? "known fields: " : "known are ";
    const std::size_t known = problems.find(heading);
    REQUIRE(known != std::string::npos);
    std::string_view rest = std::string_view(problems).substr(known + heading.size());
    rest = rest.substr(0, rest.find('\n'));
    while (!rest.empty()) {
      const std::string_view word = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(word.size() + 2, rest.size()));
      std::string shown(word);
      // The page names the RSA suites by their ECDSA counterparts.
      if (shown.starts_with("TLS_ECDHE_RSA")) shown.replace(10, 3, "ECDSA");
      CAPTURE(shown);
      const bool exists =
          text.find("`" + shown + "`") != std::string::npos || text.find("## " + shown + "\n") != std::string::npos;
      CHECK(exists);
    }
  }
}

}  // namespace
