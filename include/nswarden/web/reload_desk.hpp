// SPDX-License-Identifier: Apache-2.0
// Where an HTTP thread leaves a request to reload and waits for the loop's verdict.
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
  /// `ring` wakes the loop; it is called from HTTP threads.
  explicit ReloadDesk(std::function<void()> ring) : ring_(std::move(ring)) {}

  /// HTTP thread: empty when the configuration was taken, else why not. Requests that wait together share one reload.
  std::string request() {
    std::unique_lock lock(mutex_);
    if (closed_) return "shutting down";
    // One that the loop has not begun with is shared; a later one may be about another file.
    const unsigned long mine = wanted_ > taken_ ? wanted_ : ++wanted_;
    ring_();
    // A loop that is busy with a long first sweep still answers between two steps of it.
    const bool answered = changed_.wait_for(lock, std::chrono::seconds(10), [&] { return done_ >= mine || closed_; });
    if (closed_) return "shutting down";
    return answered ? verdict_ : "no answer within 10 s";
  }

  /// Loop thread: whether somebody waits. Then reload, and answer().
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
  unsigned long wanted_ = 0;  // tickets given, begun with, and answered
  unsigned long taken_ = 0;
  unsigned long done_ = 0;
  bool closed_ = false;
  std::string verdict_;
};

}  // namespace nswarden
