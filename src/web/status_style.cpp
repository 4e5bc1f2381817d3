// SPDX-License-Identifier: Apache-2.0
#include "web/status_style.hpp"

#include <nswarden/base/sha256.hpp>

namespace nswarden {

std::string status_content_policy() {
  Sha256 hash;
  hash.add(status_style);
  return "default-src 'none'; style-src 'sha256-" + hash.base64() +
         "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
}

}  // namespace nswarden
