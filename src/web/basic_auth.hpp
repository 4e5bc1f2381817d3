// SPDX-License-Identifier: Apache-2.0
// BasicAuth decides read access: HTTP basic authentication (RFC 7617) against bcrypt hashes. A password check takes tens of
// milliseconds of a core, so checks run one by one, few may wait, and results are cached as digests, which keeps no password
// in memory. An unknown user takes as long as the user with the costliest hash. Any thread calls it. Keep the object while
// the users are unchanged: a new one rechecks all passwords.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "web/web_config.hpp"

struct crypt_data;

namespace nswarden {

class BasicAuth {
 public:
  /// Without users, every request is denied.
  explicit BasicAuth(const std::vector<WebUser>& users);
  ~BasicAuth();
  BasicAuth(const BasicAuth&) = delete;
  BasicAuth& operator=(const BasicAuth&) = delete;

  enum class Verdict : std::uint8_t {
    admitted,
    refused,
    busy,  ///< not checked: `max_checks` other requests are being checked or waiting, or close() was called
  };
  /// `authorization` is the value of the header, empty when absent. Throws std::bad_alloc.
  Verdict judge(std::string_view authorization);

  /// Fails the requests that wait for a check.
  void close() { closed_ = true; }

  /// Passwords hashed so far.
  [[nodiscard]] std::size_t checks() const;

  static constexpr std::size_t max_checks = 4;
  static constexpr std::size_t max_remembered = 1024;  ///< valid credentials, and as many invalid ones

 private:
  /// A set of digests that evicts the oldest first.
  class Memory {
   public:
    [[nodiscard]] bool has(const std::string& digest) const { return known_.contains(digest); }
    void add(const std::string& digest);

   private:
    std::set<std::string> known_;
    std::deque<std::string> order_;
  };
  /// One of the `max_checks` places for requests that wait or are checked.
  class CheckSlot;

  [[nodiscard]] std::optional<bool> remembered(const std::string& digest) const;
  bool check(const std::string& hash, const char* password);

  std::map<std::string, std::string, std::less<>> hashes_;  ///< by user name
  std::string unknown_user_hash_;                           ///< hash for unknown users, as costly as the costliest
  mutable std::mutex mutex_;                                ///< protects the fields between it and crypt_mutex_
  Memory valid_;
  Memory invalid_;
  std::size_t checks_pending_ = 0;
  std::size_t checks_ = 0;
  std::atomic<bool> closed_{false};
  std::mutex crypt_mutex_;  ///< protects crypt_; lock order: crypt_mutex_ before mutex_
  std::unique_ptr<crypt_data> crypt_;
};

}  // namespace nswarden
