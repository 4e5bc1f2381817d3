// SPDX-License-Identifier: Apache-2.0
#include "web/tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>
#include <vector>

namespace nswarden {
namespace {

template <auto function>
struct FreeBy {
  template <class T>
  void operator()(T* object) const {
    function(object);
  }
};
using MemoryBio = std::unique_ptr<BIO, FreeBy<&BIO_free>>;
using Certificate = std::unique_ptr<X509, FreeBy<&X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreeBy<&EVP_PKEY_free>>;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, FreeBy<&GENERAL_NAMES_free>>;
using Names = std::vector<std::string>;

/// The reason of the last OpenSSL failure.
std::string reason() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const char* const text = error == 0 ? nullptr : ERR_reason_error_string(error);
  return text == nullptr ? "rejected by OpenSSL" : text;
}

MemoryBio bio_of(const std::string& text) {
  MemoryBio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) throw std::bad_alloc();
  return bio;
}

/// A daemon cannot ask for a passphrase.
int refuse_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return 0; }

/// Returns all certificates or a problem: a truncated text must not pass as a shorter one.
std::variant<std::vector<Certificate>, Problem> certificates_in(const std::string& text) {
  const MemoryBio bio = bio_of(text);
  std::vector<Certificate> found;
  while (Certificate one{PEM_read_bio_X509(bio.get(), nullptr, &refuse_passphrase, nullptr)}) found.push_back(std::move(one));
  const unsigned long error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) return Problem{{}, reason()};
  ERR_clear_error();
  if (found.empty()) return Problem{{}, "no certificate in PEM format"};
  return found;
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string address_of(const ASN1_OCTET_STRING* address) {
  const std::string bytes = text_of(address);
  std::string text;
  const auto byte = [&bytes](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  if (bytes.size() == 4) return fmt::format("{}.{}.{}.{}", byte(0), byte(1), byte(2), byte(3));
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    text += fmt::format("{}{:x}", i == 0 ? "" : ":", byte(i) * 256U + byte(i + 1));
  }
  return text;
}

/// Normalizes an address to the form in which certificate names are compared; returns other names unchanged.
std::string comparable(const std::string& name) {
  const std::unique_ptr<ASN1_OCTET_STRING, FreeBy<&ASN1_OCTET_STRING_free>> address(a2i_IPADDRESS(name.c_str()));
  ERR_clear_error();
  return address ? address_of(address.get()) : name;
}

std::string name_of(const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI: return text_of(name->d.ia5);
    case GEN_IPADD: return address_of(name->d.ip);
    default: return {};
  }
}

bool has_one_of(X509* certificate, const Names& allowed) {
  const GeneralNames names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string name = name_of(sk_GENERAL_NAME_value(names.get(), i));
    if (!name.empty() && std::find(allowed.begin(), allowed.end(), name) != allowed.end()) return true;
  }
  return false;
}

/// Settings attached to a context, with the context's lifetime.
struct ContextExtras {
  Names allowed;       ///< names of which a client's certificate needs one; empty for any
  std::string groups;  ///< empty for OpenSSL's default
};

void free_extras(void* /*parent*/, void* extras, CRYPTO_EX_DATA* /*data*/, int /*index*/, long /*number*/, void* /*extra*/) {
  delete static_cast<ContextExtras*>(extras);
}

int extras_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_extras);
  return index;
}

/// Null for a context not made here.
const ContextExtras* extras_of(const SSL_CTX* context) {
  return static_cast<const ContextExtras*>(SSL_CTX_get_ex_data(context, extras_index()));
}

/// OpenSSL's callback for each certificate of a client's chain; the client's own comes last.
int check_names(int trusted, X509_STORE_CTX* store) {
  if (trusted == 0 || X509_STORE_CTX_get_error_depth(store) != 0) return trusted;
  const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const ContextExtras* const extras = extras_of(SSL_get_SSL_CTX(ssl));
  try {
    if (extras != nullptr && (extras->allowed.empty() || has_one_of(X509_STORE_CTX_get_current_cert(store), extras->allowed)))
      return 1;
  } catch (const std::exception&) {  // the caller is C; deny access when out of memory
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

int accept_any(int /*trusted*/, X509_STORE_CTX* /*store*/) { return 1; }

int number_of(TlsVersion version) {
  constexpr std::array numbers{TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
  return numbers[static_cast<std::size_t>(version)];
}

std::string joined(const Names& words) { return fmt::format("{}", fmt::join(words, ":")); }

TlsContext new_context() {
  TlsContext context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (!context) throw std::bad_alloc();
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(context.get(), 0);
  return context;
}

std::string use_certificate(SSL_CTX* context, const TlsTexts& texts) {
  const auto read = certificates_in(texts.certificate);
  if (const auto* problem = std::get_if<Problem>(&read)) return "cannot use the certificate: " + problem->message;
  const auto& chain = std::get<std::vector<Certificate>>(read);
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) return "cannot use the certificate: " + reason();
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) return "cannot use the certificate chain: " + reason();
  }
  const MemoryBio bio = bio_of(texts.key);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &refuse_passphrase, nullptr));
  if (!key) {
    ERR_clear_error();
    return "cannot use the key: no private key in PEM format, or the key is encrypted";
  }
  // OpenSSL stores a key of a type different from the certificate's separately, and only this check detects it.
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return "cannot use the key: " + reason();
  return {};
}

std::string use_client_ca(SSL_CTX* context, const std::string& text) {
  const auto read = certificates_in(text);
  if (const auto* problem = std::get_if<Problem>(&read)) return "cannot use the client CA: " + problem->message;
  // Trusts each of them directly, including one signed by another CA.
  X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
  for (const Certificate& one : std::get<std::vector<Certificate>>(read)) {
    const bool taken =
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get()) == 1 && SSL_CTX_add_client_CA(context, one.get()) == 1;
    if (!taken) return "cannot use the client CA: " + reason();
  }
  return {};
}

void request_certificates(SSL_CTX* context, const WebTls& tls) {
  constexpr int required = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  switch (tls.client_auth) {
    case ClientAuth::none: return SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    case ClientAuth::request: return SSL_CTX_set_verify(context, SSL_VERIFY_PEER, &accept_any);
    case ClientAuth::require_any: return SSL_CTX_set_verify(context, required, &accept_any);
    case ClientAuth::verify_if_given: return SSL_CTX_set_verify(context, SSL_VERIFY_PEER, &check_names);
    case ClientAuth::require_and_verify: return SSL_CTX_set_verify(context, required, &check_names);
  }
}

std::string apply_rules(SSL_CTX* context, const WebTls& tls) {
  SSL_CTX_set_min_proto_version(context, number_of(tls.min_version));
  SSL_CTX_set_max_proto_version(context, number_of(tls.max_version));
  // At its default security level, OpenSSL 3 has no usable suites below TLS 1.2.
  if (tls.min_version < TlsVersion::tls12) SSL_CTX_set_security_level(context, 0);
  if (tls.prefer_server_ciphers) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  if (!tls.ciphers.empty() && SSL_CTX_set_cipher_list(context, joined(tls.ciphers).c_str()) != 1) {
    return "cannot use cipher_suites: " + reason();
  }
  auto extras = std::make_unique<ContextExtras>();
  extras->groups = joined(tls.groups);
  if (!tls.groups.empty() && SSL_CTX_set1_groups_list(context, extras->groups.c_str()) != 1) {
    return "cannot use curve_preferences: " + reason();
  }
  for (const std::string& name : tls.client_allowed_sans) extras->allowed.push_back(comparable(name));
  if (SSL_CTX_set_ex_data(context, extras_index(), extras.get()) != 1) throw std::bad_alloc();
  (void)extras.release();  // freed by free_extras()
  return {};
}

/// OpenSSL's callback for the ClientHello. A connection copies settings from its context when it is created; this repeats the
/// copy for the newest context.
int choose(SSL* ssl, int* alert, void* newest) {
  const TlsContext held = (*static_cast<const TlsServer::Newest*>(newest))();
  SSL_CTX* const context = held.get();
  *alert = SSL_AD_INTERNAL_ERROR;
  if (context == nullptr || SSL_set_SSL_CTX(ssl, context) == nullptr) return SSL_CLIENT_HELLO_ERROR;
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context), SSL_CTX_get_verify_callback(context));
  SSL_set_options(ssl, SSL_CTX_get_options(context));
  SSL_set_security_level(ssl, SSL_CTX_get_security_level(context));
  const auto minimum = static_cast<int>(SSL_CTX_get_min_proto_version(context));
  const auto maximum = static_cast<int>(SSL_CTX_get_max_proto_version(context));
  const std::string& groups = extras_of(context)->groups;
  const bool set = SSL_set_min_proto_version(ssl, minimum) == 1 && SSL_set_max_proto_version(ssl, maximum) == 1 &&
                   (groups.empty() || SSL_set1_groups_list(ssl, groups.c_str()) == 1);
  return set ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

}  // namespace

std::variant<TlsContext, Problem> make_tls_context(const WebTls& tls, const TlsTexts& texts) {
  ERR_clear_error();
  TlsContext context = new_context();
  std::string problem = use_certificate(context.get(), texts);
  if (problem.empty() && tls.client_ca) problem = use_client_ca(context.get(), texts.client_ca);
  if (problem.empty()) problem = apply_rules(context.get(), tls);
  if (!problem.empty()) return Problem{{}, std::move(problem)};
  request_certificates(context.get(), tls);
  return context;
}

TlsServer::TlsServer(Newest newest) : newest_(std::move(newest)), context_(new_context()) {
  // choose() sets the real minimum.
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
  SSL_CTX_set_client_hello_cb(context_.get(), &choose, &newest_);
}

}  // namespace nswarden
