// SPDX-License-Identifier: Apache-2.0
// SHA-256 by OpenSSL, to identify a configuration by the same digest as sha256sum(1). Throws std::bad_alloc. Any thread, one at
// a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace nswarden {

class Sha256 {
 public:
  Sha256();
  void add(std::string_view bytes);
  /// Digest of all bytes added so far.
  [[nodiscard]] std::string hex() const;
  [[nodiscard]] std::string base64() const;

 private:
  [[nodiscard]] std::string bytes() const;

  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace nswarden
