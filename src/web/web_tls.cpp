// SPDX-License-Identifier: Apache-2.0
#include "web/web_tls.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>

#include <nswarden/base/text.hpp>
#include <nswarden/config/yaml_fields.hpp>

namespace nswarden {
namespace {

using Kind = YamlNode::Kind;
using Problems = std::vector<Problem>;

constexpr std::size_t longest_pem_path = 4096;

constexpr std::array<Field, 13> tls_fields{{{"cert"},
                                            {"key"},
                                            {"client_ca"},
                                            {"cert_file"},
                                            {"key_file"},
                                            {"client_auth_type"},
                                            {"client_ca_file"},
                                            {"client_allowed_sans"},
                                            {"cipher_suites"},
                                            {"curve_preferences"},
                                            {"min_version"},
                                            {"max_version"},
                                            {"prefer_server_cipher_suites"}}};

/// A word of the file and its meaning.
template <typename Meaning>
struct Word {
  std::string_view text;
  Meaning meaning;
};

constexpr std::array<Word<ClientAuth>, 6> client_auths{{
    {"NoClientCert", ClientAuth::none},
    {"RequestClientCert", ClientAuth::request},
    {"RequireAnyClientCert", ClientAuth::require_any},
    {"RequireClientCert", ClientAuth::require_any},  // the toolkit's original name
    {"VerifyClientCertIfGiven", ClientAuth::verify_if_given},
    {"RequireAndVerifyClientCert", ClientAuth::require_and_verify},
}};

constexpr std::array<Word<TlsVersion>, 4> tls_versions{{
    {"TLS10", TlsVersion::tls10},
    {"TLS11", TlsVersion::tls11},
    {"TLS12", TlsVersion::tls12},
    {"TLS13", TlsVersion::tls13},
}};

constexpr std::array<Word<std::string_view>, 4> curves{{
    {"CurveP256", "P-256"},
    {"CurveP384", "P-384"},
    {"CurveP521", "P-521"},
    {"X25519", "X25519"},
}};

/// The result of crypto/tls.CipherSuites() in Go 1.22 and later. TLS 1.3 suites have no effect, as in Go: all of them are
/// always enabled.
constexpr std::array<Word<std::string_view>, 13> cipher_suites{{
    {"TLS_AES_128_GCM_SHA256", ""},
    {"TLS_AES_256_GCM_SHA384", ""},
    {"TLS_CHACHA20_POLY1305_SHA256", ""},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
}};

template <typename... Values>
void refuse(const YamlFields& fields, Position position, fmt::format_string<Values...> message, Values&&... values) {
  fields.problems().push_back({position, fmt::format(message, std::forward<Values>(values)...)});
}

/// nullopt if rejected.
template <typename Meaning>
std::optional<Meaning> read_word(const YamlNode& node, const std::string& path, std::span<const Word<Meaning>> known,
                                 Problems& problems) {
  if (!is_kind(node, Kind::scalar, path, problems)) return std::nullopt;
  std::vector<std::string_view> words;
  for (const Word<Meaning>& each : known) {
    if (each.text == node.text) return each.meaning;
    words.push_back(each.text);
  }
  const auto suggestion = nearest(node.text, words);
  const std::string remedy =
      suggestion ? fmt::format("did you mean {}?", *suggestion) : fmt::format("known are {}", fmt::join(words, ", "));
  problems.push_back({node.position, fmt::format("{}: unknown value \"{}\"; {}", path, excerpt(node.text), remedy)});
  return std::nullopt;
}

template <typename Meaning>
std::optional<Meaning> read_word(const YamlFields& fields, std::string_view field, std::span<const Word<Meaning>> known,
                                 Meaning otherwise) {
  const YamlNode* node = fields.find(field);
  return node == nullptr ? otherwise : read_word(*node, fields.path(field), known, fields.problems());
}

/// The scalars of a nonempty list without duplicates.
std::vector<NamedScalar> read_scalars(const YamlFields& fields, std::string_view field) {
  const YamlNode* list = fields.find(field);
  if (list == nullptr || !is_kind(*list, Kind::list, fields.path(field), fields.problems())) return {};
  std::vector<NamedScalar> scalars;
  for (const NamedScalar& scalar : read_one_or_list(*list, fields.path(field), fields.problems())) {
    const auto has_meaning = [&scalar](const NamedScalar& other) { return other.node->text == scalar.node->text; };
    if (std::none_of(scalars.begin(), scalars.end(), has_meaning)) {
      scalars.push_back(scalar);
    } else {
      refuse(fields, scalar.node->position, "{}: \"{}\" is listed twice; keep one of them", scalar.path,
             excerpt(scalar.node->text));
    }
  }
  return scalars;
}

std::vector<std::string> read_names(const YamlFields& fields, std::string_view field,
                                    std::span<const Word<std::string_view>> known) {
  std::vector<std::string> names;
  for (const NamedScalar& scalar : read_scalars(fields, field)) {
    const auto name = read_word(*scalar.node, scalar.path, known, fields.problems());
    if (name && !name->empty()) names.emplace_back(*name);
  }
  return names;
}

std::vector<std::string> read_sans(const YamlFields& fields) {
  std::vector<std::string> sans;
  for (const NamedScalar& scalar : read_scalars(fields, "client_allowed_sans")) {
    const std::string& text = scalar.node->text;
    if (!text.empty() && !has_control(text)) {
      sans.push_back(text);
    } else {
      refuse(fields, scalar.node->position,
             "{}: invalid name, expected a DNS name, an IP address, an e-mail address or a URI as in the certificate",
             scalar.path);
    }
  }
  return sans;
}

/// The two fields that give certificates or a key.
struct PemFields {
  std::string_view file;
  std::string_view text;
};
constexpr PemFields certificate_fields{"cert_file", "cert"};
constexpr PemFields key_fields{"key_file", "key"};
constexpr PemFields client_ca_fields{"client_ca_file", "client_ca"};

const YamlNode* find_pem(const YamlFields& fields, const PemFields& names) {
  const YamlNode* file = fields.find(names.file);
  return file != nullptr ? file : fields.find(names.text);
}

/// nullopt if both are absent or rejected.
std::optional<PemSource> read_pem(const YamlFields& fields, const PemFields& names) {
  const YamlNode* file = fields.find(names.file);
  const YamlNode* text = fields.find(names.text);
  if (file != nullptr && text != nullptr) {
    refuse(fields, text->key_position, "{} has both {} and {}; keep one of them", fields.name(), names.file, names.text);
  }
  if (file != nullptr && file->kind == Kind::scalar && file->text.empty()) {
    refuse(fields, file->position, "{} is empty; name a file", fields.path(names.file));
  } else if (file != nullptr) {
    if (auto path = read_line(fields, names.file, longest_pem_path)) return PemSource{*std::move(path), {}, file->position};
  } else if (text != nullptr && is_kind(*text, Kind::scalar, fields.path(names.text), fields.problems())) {
    if (text->text.find("-----BEGIN ") != std::string::npos) return PemSource{{}, text->text, text->position};
    refuse(fields, text->position, "{} is not PEM text, expected a line -----BEGIN; use {} for the name of a file",
           fields.path(names.text), names.file);
  }
  return std::nullopt;
}

PemSource require_pem(const YamlFields& fields, const PemFields& names, std::string_view remedy) {
  // An unknown field may be a misspelling of either.
  if (find_pem(fields, names) == nullptr && !fields.has_unknown_field()) fields.require(names.file, remedy);
  return read_pem(fields, names).value_or(PemSource{});
}

void check_client_auth(const YamlFields& fields, ClientAuth auth) {
  const YamlNode* ca = find_pem(fields, client_ca_fields);
  const YamlNode* sans = fields.find("client_allowed_sans");
  const bool verifies = auth == ClientAuth::verify_if_given || auth == ClientAuth::require_and_verify;
  if (ca != nullptr && auth == ClientAuth::none) {
    refuse(fields, ca->key_position,
           "{}: clients are not asked for a certificate; set client_auth_type: RequireAndVerifyClientCert",
           fields.path(ca->key));
  }
  if (ca == nullptr && verifies && !fields.has_unknown_field()) {
    refuse(fields, fields.find("client_auth_type")->position,
           "{} verifies certificates, which requires a client CA; set client_ca_file", fields.path("client_auth_type"));
  }
  if (sans != nullptr && auth != ClientAuth::require_and_verify) {
    refuse(fields, sans->key_position,
           "{}: names do not restrict clients without a verified certificate; set client_auth_type: "
           "RequireAndVerifyClientCert",
           fields.path("client_allowed_sans"));
  }
}

void read_versions(const YamlFields& fields, WebTls& tls) {
  const auto min_version = read_word<TlsVersion>(fields, "min_version", tls_versions, tls.min_version);
  const auto max_version = read_word<TlsVersion>(fields, "max_version", tls_versions, tls.max_version);
  if (!min_version || !max_version) return;
  if (*min_version > *max_version) {
    // Present: the default is never above.
    return refuse(fields, fields.find("max_version")->position,
                  "{} is below min_version, which is TLS12 by default; no client could connect", fields.path("max_version"));
  }
  tls.min_version = *min_version;
  tls.max_version = *max_version;
}

/// Rejects a list of only TLS 1.3 suites, which leaves none for earlier versions.
void require_suites(const YamlFields& fields, WebTls& tls) {
  const YamlNode* suites = fields.find("cipher_suites");
  if (suites == nullptr || !tls.ciphers.empty()) return;
  tls.min_version = TlsVersion::tls13;
  if (tls.max_version == TlsVersion::tls13) return;
  refuse(fields, suites->position, "{} has only suites of TLS 1.3, which max_version excludes; no client could connect",
         fields.path("cipher_suites"));
}

}  // namespace

WebTls read_web_tls(const YamlNode& node, const std::string& path, Problems& problems) {
  const YamlFields fields(node, path, tls_fields, problems);
  WebTls tls;
  tls.certificate = require_pem(fields, certificate_fields, "name the file of the server's certificate");
  tls.key = require_pem(fields, key_fields, "name the file of the certificate's private key");
  tls.client_ca = read_pem(fields, client_ca_fields);
  const auto auth = read_word<ClientAuth>(fields, "client_auth_type", client_auths, ClientAuth::none);
  if (auth) check_client_auth(fields, *auth);
  tls.client_auth = auth.value_or(ClientAuth::none);
  tls.client_allowed_sans = read_sans(fields);
  read_versions(fields, tls);
  tls.ciphers = read_names(fields, "cipher_suites", cipher_suites);
  tls.groups = read_names(fields, "curve_preferences", curves);
  require_suites(fields, tls);
  if (fields.find("prefer_server_cipher_suites") != nullptr) {
    tls.prefer_server_ciphers = read_boolean(fields, "prefer_server_cipher_suites");
  }
  return tls;
}

}  // namespace nswarden
