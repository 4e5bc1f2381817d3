// SPDX-License-Identifier: Apache-2.0
// Runs the commands of the policies: queues those that an event or a report triggers, starts those that may run, and counts and
// logs their results. Loop thread only, and never blocks it: the commands run in other processes (commands/command_runner.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nswarden/engine/kernel.hpp>
#include <nswarden/engine/reconciler.hpp>
#include <nswarden/policy/policy.hpp>
#include <nswarden/report/log.hpp>
#include <nswarden/report/metrics.hpp>
#include "commands/command_queue.hpp"
#include "commands/command_runner.hpp"

namespace nswarden {

class Commands {
 public:
  struct Parts {
    NetnsCatalog& catalog;
    Metrics& metrics;
    Log& log;
  };
  /// `open_files`: soft limit for commands, the daemon's own at its start.
  Commands(Parts parts, std::size_t open_files) : parts_(parts), runner_(open_files) {}

  /// Replaces the policies. Waiting and running commands continue, and suspended ones get another chance.
  void use(std::shared_ptr<const PolicySet> policies, std::chrono::milliseconds timeout);

  /// Handles a report made under the present policies: a netns appeared or is gone.
  void handle_report(const Report& report);
  /// Handles an event of a directory, with its mask; `name` is empty when it concerns the directory itself.
  void handle_event(std::uint16_t directory, std::string_view name, std::uint32_t mask);
  /// Handles the commands that have ended. Call it when one of fds() is readable.
  void take_results();

  /// Drops waiting commands; running ones end uncounted. For use when the state may be half changed.
  void forget_all();

  /// Starts the commands that may run.
  void start();
  /// When start() is due without another reason.
  [[nodiscard]] std::optional<Time> due() const { return queue_.due(); }

  /// To be polled for POLLIN, -1 for none; start() may change them.
  [[nodiscard]] std::pair<int, int> fds() const { return {runner_.results_fd(), runner_.requests_fd()}; }
  [[nodiscard]] std::size_t queued() const { return queue_.queued(); }
  [[nodiscard]] std::size_t running() const { return queue_.running(); }

 private:
  struct Running {
    std::string netns;
    std::string policy;
    std::string event;
    std::string command;
    CommandCapabilities capabilities = CommandCapabilities::none;
    Time started;
  };
  void push(const PolicySet::Policy& policy, CommandJob job);
  [[nodiscard]] bool exists(std::string_view label, EntryKind min_kind) const;
  void launch(const CommandQueue::Next& next);
  void conclude(const Running& run, const CommandResult& result);
  void log(const CommandQueue::Suspension& suspension, const Running& run);

  Parts parts_;
  CommandQueue queue_{{}};
  CommandRunner runner_;
  std::shared_ptr<const PolicySet> policies_;
  std::chrono::milliseconds timeout_{0};
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Running> running_;
};

}  // namespace nswarden
