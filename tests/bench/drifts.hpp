// SPDX-License-Identifier: Apache-2.0
// Netns whose settings the benchmark makes drift, and how long it takes until they are right again.
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

/// Opens keys (below net) for reading and writing, in the procfs at `proc`. The calling thread is inside their netns.
std::vector<Fd> open_inside(int proc, const std::vector<std::string>& keys);

/// Whether the setting reads 1.
bool is_right(const Fd& file);

/// Netns named PREFIX00000, PREFIX00001, ..., gone with their scope, some settings of which are to drift from 1 to 0.
class Herd {
 public:
  /// `keys`: below net, as paths. `most_files`: how many settings can drift, as each of these has an open file.
  Herd(std::string prefix, std::vector<std::string> keys, std::size_t most_files);
  ~Herd();
  Herd(const Herd&) = delete;
  Herd& operator=(const Herd&) = delete;

  /// Makes or removes some, until there are so many.
  void resize(std::size_t netns);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t settings() const { return size_ * keys_.size(); }
  [[nodiscard]] std::string path(std::size_t index) const;
  /// Chooses anew the settings that are to drift, at random, and sets them right.
  void choose(std::mt19937& random);
  /// Sets right those that are not.
  void set_right() const;

  /// Lets one drift, by a thread that sleeps afterwards, and spins on a core of its own until it is right. Throws std::runtime_error after `limit`.
  Clock::duration drift(std::chrono::seconds limit);
  /// Lets so many drift at random moments within `span`, at most one at a time of each setting, and waits for all of them. What takes
  /// longer than `limit` is given as that.
  std::vector<double> scattered(std::size_t count, std::chrono::milliseconds span, std::chrono::seconds limit,
                                std::mt19937& random);

 private:
  struct Setting {
    Fd file;
    Clock::time_point last;  // drift
  };
  class Culprit;
  Setting& next();

  std::string prefix_;
  std::vector<std::string> keys_;
  std::size_t most_files_;
  std::size_t size_ = 0;
  std::vector<Setting> settings_;
  std::size_t turn_ = 0;
  std::unique_ptr<Culprit> culprit_;
};

}  // namespace nswarden::bench
