// SPDX-License-Identifier: Apache-2.0
#include "web/basic_auth.hpp"

#include <crypt.h>
#include <openssl/crypto.h>
#include <strings.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include <nswarden/base/sha256.hpp>
#include <nswarden/base/text.hpp>

namespace nswarden {
namespace {

/// Length of a bcrypt hash: `$2b$12$`, 22 letters of salt, and the 31 compared letters.
constexpr std::size_t bcrypt_size = 60;
constexpr std::size_t bcrypt_prefix = 29;

/// Decodes RFC 4648, 4, with or without padding, and rejects nonzero padding bits. Appends to `bytes`, whose capacity must
/// suffice so that reallocation leaves no copy of a secret.
bool decode_base64(std::string_view text, std::string& bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return false;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) return false;
    bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>(bits >> static_cast<unsigned>(held));
    bits &= (1U << static_cast<unsigned>(held)) - 1;
  }
  return bits == 0;
}

/// Parses an Authorization header and wipes the secret on destruction.
class Credentials {
 public:
  explicit Credentials(std::string_view authorization) {
    const std::string_view scheme = take_until(authorization, ' ');
    if (scheme.size() != 5 || ::strncasecmp(scheme.data(), "basic", 5) != 0) return;
    authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
    text_.reserve(authorization.size());
    if (!decode_base64(authorization, text_)) return;
    if (std::none_of(text_.begin(), text_.end(), is_control)) colon_ = text_.find(':');
  }
  ~Credentials() { explicit_bzero(text_.data(), text_.size()); }
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  [[nodiscard]] bool present() const { return colon_ != std::string::npos; }
  [[nodiscard]] std::string_view user() const { return {text_.data(), colon_}; }
  [[nodiscard]] const char* password() const { return text_.c_str() + colon_ + 1; }

 private:
  std::string text_;
  std::size_t colon_ = std::string::npos;
};

/// Digest of a credential. The NUL separator is unambiguous because none of the three contains one. The hash, with its random
/// salt, hides equal passwords.
std::string digest_of(std::string_view user, const std::string& hash, const char* password) {
  constexpr std::string_view end("\0", 1);
  Sha256 digest;
  for (const std::string_view part : std::initializer_list<std::string_view>{user, hash, password}) {
    digest.add(part);
    digest.add(end);
  }
  return digest.hex();
}

}  // namespace

void BasicAuth::Memory::add(const std::string& digest) {
  if (!known_.insert(digest).second) return;
  order_.push_back(digest);
  if (order_.size() <= max_remembered) return;
  known_.erase(order_.front());
  order_.pop_front();
}

class BasicAuth::CheckSlot {
 public:
  explicit CheckSlot(BasicAuth& auth) : auth_(auth) {
    const std::lock_guard lock(auth_.mutex_);
    acquired_ = auth_.checks_pending_ < max_checks;
    if (acquired_) ++auth_.checks_pending_;
  }
  ~CheckSlot() {
    const std::lock_guard lock(auth_.mutex_);
    if (acquired_) --auth_.checks_pending_;
  }
  CheckSlot(const CheckSlot&) = delete;
  CheckSlot& operator=(const CheckSlot&) = delete;

  [[nodiscard]] bool acquired() const { return acquired_; }

 private:
  BasicAuth& auth_;
  bool acquired_ = false;
};

BasicAuth::BasicAuth(const std::vector<WebUser>& users) : crypt_(std::make_unique<crypt_data>()) {
  std::string cost = "10";
  for (const WebUser& user : users) {
    const std::string its = user.hash.substr(4, 2);
    cost = hashes_.empty() ? its : std::max(cost, its);
    hashes_.emplace(user.name, user.hash);
  }
  unknown_user_hash_ = "$2b$" + cost + "$no.such.user.no.user.O" + std::string(bcrypt_size - bcrypt_prefix, '.');
}

BasicAuth::~BasicAuth() = default;

std::size_t BasicAuth::checks() const {
  const std::lock_guard lock(mutex_);
  return checks_;
}

std::optional<bool> BasicAuth::remembered(const std::string& digest) const {
  const std::lock_guard lock(mutex_);
  if (valid_.has(digest)) return true;
  if (invalid_.has(digest)) return false;
  return std::nullopt;
}

bool BasicAuth::check(const std::string& hash, const char* password) {
  const char* made = crypt_r(password, hash.c_str(), crypt_.get());
  // Compares only the checksum: the salt has several spellings, and crypt_r returns one of them.
  const bool is_valid = made != nullptr && std::strlen(made) == bcrypt_size && hash.size() == bcrypt_size &&
                        CRYPTO_memcmp(made + bcrypt_prefix, hash.data() + bcrypt_prefix, bcrypt_size - bcrypt_prefix) == 0;
  explicit_bzero(crypt_.get(), sizeof(crypt_data));
  return is_valid;
}

BasicAuth::Verdict BasicAuth::judge(std::string_view authorization) {
  const Credentials given(authorization);
  if (!given.present()) return Verdict::refused;
  const auto verdict = [](bool is_valid) { return is_valid ? Verdict::admitted : Verdict::refused; };
  const auto user = hashes_.find(given.user());
  const bool is_known = user != hashes_.end();
  const std::string& hash = is_known ? user->second : unknown_user_hash_;
  const std::string digest = digest_of(given.user(), hash, given.password());
  if (const auto before = remembered(digest)) return verdict(*before);

  const CheckSlot turn(*this);
  if (!turn.acquired()) return Verdict::busy;
  const std::lock_guard one_by_one(crypt_mutex_);
  if (closed_) return Verdict::busy;
  // The check before this one may have had the same credential: a browser sends several requests in parallel.
  if (const auto before = remembered(digest)) return verdict(*before);
  const bool is_valid = check(hash, given.password()) && is_known;
  const std::lock_guard lock(mutex_);
  ++checks_;
  (is_valid ? valid_ : invalid_).add(digest);
  return verdict(is_valid);
}

}  // namespace nswarden
