// SPDX-License-Identifier: Apache-2.0
// The daemon and a bare loop, each with netns of its own that drift, measured in turns in one run: latency can only be judged
// against the machine's own at that moment.
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

/// Five settings that take 0 and 1, without any lock of the kernel, and change no other.
extern const std::vector<std::string> our_keys;
/// Others of that kind, for the bare loop: the daemon drops events of files that no policy names.
extern const std::vector<std::string> bare_keys;

/// So that a wake-up from idle is part of what is measured.
void pause(std::mt19937& random);

class Arena {
 public:
  /// `binary`: none when empty. `interval`: of its sweeps.
  Arena(std::string binary, std::string interval);

  /// Makes or removes netns, and starts everybody anew. `netns` for the daemon, and as many for the bare loop, up to 1000.
  void resize(std::size_t netns);
  /// `drifts` of each; prints a table and, with a daemon, whether the aims are held.
  nlohmann::json measure(const std::string& load, std::size_t drifts);

  /// Stopped, but while it is measured; null without one.
  [[nodiscard]] Daemon* daemon() { return daemon_.get(); }
  [[nodiscard]] std::mt19937& random() { return random_; }
  /// False when a drift waits for the sweep.
  bool repairs_by_events();

 private:
  void check_not_suspended();

  std::string binary_;
  std::string interval_;
  std::mt19937 random_{42};  // NOLINT(bugprone-random-generator-seed): the same settings in every run
  Herd ours_;
  Herd bare_;
  std::unique_ptr<Child> bare_process_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace nswarden::bench
