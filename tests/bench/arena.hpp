// SPDX-License-Identifier: Apache-2.0
// Arena measures the daemon and a bare loop in turns in one run, each with its own drifting netns: latencies are only
// comparable with the same machine's at the same time.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "drifts.hpp"
#include "processes.hpp"

namespace nswarden::bench {

inline constexpr std::chrono::seconds longest_drift{20};

/// Five settings that accept 0 and 1, take no kernel lock, and affect no other setting.
extern const std::vector<std::string> daemon_keys;
/// Similar settings for the bare loop: the daemon drops events of files that no policy names.
extern const std::vector<std::string> bare_keys;

/// Sleeps up to 2 ms to include wake-ups from idle in the measurement.
void pause(std::mt19937& random);

class Arena {
 public:
  /// An empty `binary` omits the daemon. `interval` is its sweep interval.
  Arena(std::string binary, std::string interval);

  /// Adds or removes netns and restarts both processes. The daemon gets `netns`, the bare loop as many up to 1000.
  void resize(std::size_t netns);
  /// Measures `drifts` for each process; prints a table and, with a daemon, whether the aims are met.
  nlohmann::json measure(const std::string& load, std::size_t drifts);

  /// Stopped except while it is measured; null without a binary.
  [[nodiscard]] Daemon* daemon() { return daemon_.get(); }
  [[nodiscard]] std::mt19937& random() { return random_; }
  /// False if repairs wait for the sweep.
  bool repairs_by_events();

 private:
  void check_not_suspended();

  std::string binary_;
  std::string interval_;
  std::mt19937 random_{42};  // NOLINT(bugprone-random-generator-seed): the same settings in every run
  Herd daemon_herd_;
  Herd bare_;
  std::unique_ptr<Child> bare_process_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace nswarden::bench
