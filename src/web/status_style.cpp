// SPDX-License-Identifier: Apache-2.0
#include "web/status_style.hpp"

#include <openssl/evp.h>

#include <array>
#include <string_view>

#include <nswarden/base/sha256.hpp>

namespace nswarden {

std::string status_content_policy() {
  Sha256 hash;
  hash.add(status_style);
  // 32 bytes make 44 characters and a NUL.
  std::array<unsigned char, 48> base64{};
  const std::string digest = hash.bytes();
  const int size =
      EVP_EncodeBlock(base64.data(), reinterpret_cast<const unsigned char*>(digest.data()), static_cast<int>(digest.size()));
  const std::string_view text(reinterpret_cast<const char*>(base64.data()), static_cast<std::size_t>(size));
  return "default-src 'none'; style-src 'sha256-" + std::string(text) +
         "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
}

}  // namespace nswarden
