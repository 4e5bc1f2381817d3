// SPDX-License-Identifier: Apache-2.0
// Who may read: HTTP basic authentication (RFC 7617) against hashes of bcrypt. A check of a password takes tens of milliseconds
// of a core, so they go one by one, only few may wait, and what came out of one is remembered: as a digest, so that no password
// stays in memory. A user who is not known takes as long as the one with the costliest hash. Any thread. Keep it as long as the users stay the same:
// a new one has to check all passwords again.
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
  /// Without users it admits nobody.
  explicit BasicAuth(const std::vector<WebUser>& users);
  ~BasicAuth();
  BasicAuth(const BasicAuth&) = delete;
  BasicAuth& operator=(const BasicAuth&) = delete;

  enum class Verdict : std::uint8_t {
    admitted,
    refused,
    busy,  ///< not checked: `most_checks` others are being checked or wait for it, or it is closed
  };
  /// `authorization` is the value of the header, empty when there is none. Throws std::bad_alloc.
  Verdict judge(std::string_view authorization);

  /// Lets those go who wait for a check.
  void close() { closed_ = true; }

  /// Passwords that were hashed so far.
  [[nodiscard]] std::size_t checks() const;

  static constexpr std::size_t most_checks = 4;
  static constexpr std::size_t most_remembered = 1024;  ///< right ones, and as many wrong ones

 private:
  /// Digests, the oldest forgotten first.
  class Memory {
   public:
    [[nodiscard]] bool has(const std::string& digest) const { return known_.contains(digest); }
    void add(const std::string& digest);

   private:
    std::set<std::string> known_;
    std::deque<std::string> order_;
  };
  /// One of the few that may wait or be checked.
  class Turn;

  [[nodiscard]] std::optional<bool> remembered(const std::string& digest) const;
  bool check(const std::string& hash, const char* password);

  std::map<std::string, std::string, std::less<>> hashes_;  ///< by the user's name
  std::string nobodys_;       ///< what unknown users are checked against, as costly as the costliest
  mutable std::mutex mutex_;  ///< of what stands between it and crypt_mutex_
  Memory right_;
  Memory wrong_;
  std::size_t turns_ = 0;
  std::size_t checks_ = 0;
  std::atomic<bool> closed_{false};
  std::mutex crypt_mutex_;  ///< of crypt_; may be held when mutex_ is taken, never the other way round
  std::unique_ptr<crypt_data> crypt_;
};

}  // namespace nswarden
