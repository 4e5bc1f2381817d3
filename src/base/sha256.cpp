// SPDX-License-Identifier: Apache-2.0
#include <nswarden/base/sha256.hpp>

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <new>

namespace nswarden {
namespace {

/// These calls fail only when out of memory.
void need(bool done) {
  if (!done) throw std::bad_alloc();
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  need(context_ != nullptr);
  need(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::add(std::string_view bytes) { need(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1); }

std::string Sha256::bytes() const {
  const std::unique_ptr<evp_md_ctx_st, Free> last(EVP_MD_CTX_new());
  need(last != nullptr && EVP_MD_CTX_copy_ex(last.get(), context_.get()) == 1);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  need(EVP_DigestFinal_ex(last.get(), digest.data(), &size) == 1);
  return {digest.begin(), digest.begin() + size};
}

std::string Sha256::hex() const {
  std::string text;
  for (const char byte : bytes()) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string Sha256::base64() const {
  const std::string digest = bytes();
  std::array<unsigned char, 48> text{};  // 32 bytes encode to 44 characters and a NUL
  const int size =
      EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(digest.data()), static_cast<int>(digest.size()));
  return {text.begin(), text.begin() + size};
}

}  // namespace nswarden
