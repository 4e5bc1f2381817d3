// SPDX-License-Identifier: Apache-2.0
// ReloadDesk passes reload requests from HTTP threads to the loop, and the loop's verdict back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace nswarden {

class ReloadDesk {
 public:
  /// `ring` wakes the loop; HTTP threads call it.
  explicit ReloadDesk(std::function<void()> ring) : ring_(std::move(ring)) {}

  /// HTTP thread: returns an empty string if the configuration was accepted, else the reason. Concurrent requests share one
  /// reload.
  std::string request() {
    std::unique_lock lock(mutex_);
    if (closed_) return "shutting down";
    // Shares a reload that has not begun; a running one may have read an older file.
    const unsigned long mine = wanted_ > taken_ ? wanted_ : ++wanted_;
    ring_();
    // During a long first sweep the loop still answers between steps.
    const bool answered = changed_.wait_for(lock, std::chrono::seconds(10), [&] { return done_ >= mine || closed_; });
    if (closed_) return "shutting down";
    return answered ? verdict_ : "no answer within 10 s";
  }

  /// Loop thread: whether a request is pending. If so, reload and call answer().
  bool take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(taken_, wanted_) != wanted_;
  }
  void answer(std::string verdict) {
    const std::lock_guard lock(mutex_);
    done_ = taken_;
    verdict_ = std::move(verdict);
    changed_.notify_all();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::function<void()> ring_;
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned long wanted_ = 0;  // tickets issued, begun, answered
  unsigned long taken_ = 0;
  unsigned long done_ = 0;
  bool closed_ = false;
  std::string verdict_;
};

}  // namespace nswarden
