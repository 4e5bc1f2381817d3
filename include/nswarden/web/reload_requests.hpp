// SPDX-License-Identifier: Apache-2.0
// ReloadRequests passes reload requests from HTTP threads to the loop, and the loop's verdict back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace nswarden {

class ReloadRequests {
 public:
  /// `wake_loop` wakes the loop; HTTP threads call it.
  explicit ReloadRequests(std::function<void()> wake_loop) : wake_loop_(std::move(wake_loop)) {}

  /// HTTP thread: returns an empty string if the configuration was accepted, else the reason. Concurrent requests share one
  /// reload.
  std::string request() {
    std::unique_lock lock(mutex_);
    if (closed_) return "shutting down";
    // Shares a reload that has not begun; a running one may have read an older file.
    const unsigned long ticket = issued_ > begun_ ? issued_ : ++issued_;
    wake_loop_();
    // During a long first sweep the loop still answers between steps.
    const bool answered = changed_.wait_for(lock, std::chrono::seconds(10), [&] { return answered_ >= ticket || closed_; });
    if (closed_) return "shutting down";
    return answered ? verdict_ : "no answer within 10 s";
  }

  /// Loop thread: whether a request is pending. If so, reload and call answer().
  bool take_request() {
    const std::lock_guard lock(mutex_);
    return std::exchange(begun_, issued_) != issued_;
  }
  void answer(std::string verdict) {
    const std::lock_guard lock(mutex_);
    answered_ = begun_;
    verdict_ = std::move(verdict);
    changed_.notify_all();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::function<void()> wake_loop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned long issued_ = 0;  // tickets issued, begun, answered
  unsigned long begun_ = 0;
  unsigned long answered_ = 0;
  bool closed_ = false;
  std::string verdict_;
};

}  // namespace nswarden
