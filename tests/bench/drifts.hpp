// SPDX-License-Identifier: Apache-2.0
// Netns with settings that drift on demand, and measurement of the time until repair.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <nswarden/os/fd.hpp>

namespace nswarden::bench {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration duration);

/// Opens keys (below net) for reading and writing in the procfs at `proc`. The calling thread is inside their netns.
std::vector<Fd> open_inside(int proc, const std::vector<std::string>& keys);

/// Whether the setting is 1.
bool is_compliant(const Fd& file);

/// Netns named PREFIX00000, PREFIX00001, ..., some settings of which drift from 1 to 0. The destructor removes the netns.
class Herd {
 public:
  /// `keys`: paths below net. `max_files`: limit on drifting settings, each of which has an open file.
  Herd(std::string prefix, std::vector<std::string> keys, std::size_t max_files);
  ~Herd();
  Herd(const Herd&) = delete;
  Herd& operator=(const Herd&) = delete;

  /// Adds or removes netns up to this number.
  void resize(std::size_t netns);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t settings() const { return size_ * keys_.size(); }
  [[nodiscard]] std::string path(std::size_t index) const;
  /// Selects the drifting settings at random and sets them to 1.
  void choose(std::mt19937& random);
  /// Restores drifted settings to 1.
  void make_compliant() const;

  /// Makes one setting drift, in a thread that sleeps afterwards, and spins on another core until it is repaired. Throws
  /// std::runtime_error after `limit`.
  Clock::duration drift(std::chrono::seconds limit);
  /// Makes `count` settings drift at random times within `span`, each at most once at a time, and waits for all repairs.
  /// Longer repairs count as `limit`.
  std::vector<double> scattered(std::size_t count, std::chrono::milliseconds span, std::chrono::seconds limit,
                                std::mt19937& random);

 private:
  struct Setting {
    Fd file;
    Clock::time_point last;  // of the last drift
  };
  class Culprit;
  Setting& next();

  std::string prefix_;
  std::vector<std::string> keys_;
  std::size_t max_files_;
  std::size_t size_ = 0;
  std::vector<Setting> settings_;
  std::size_t turn_ = 0;
  std::unique_ptr<Culprit> culprit_;
};

}  // namespace nswarden::bench
