// SPDX-License-Identifier: Apache-2.0
// The commands of the policies: what an event or a report asks for goes into the queue, what may run is started, and what came
// of it is counted and logged. Loop thread only, and never on its time: the commands run elsewhere (commands/command_runner.hpp).
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
  /// `open_files`: soft limit for commands, the one that the daemon itself began with.
  Commands(Parts parts, std::size_t open_files) : parts_(parts), runner_(open_files) {}

  /// From now on. What waits or runs goes on, and what failed too often has another chance.
  void use(std::shared_ptr<const PolicySet> policies, std::chrono::milliseconds timeout);

  /// A report made under the policies in use: a netns that came or went.
  void take(const Report& report);
  /// An event of a directory, with its mask; `name` is empty when it is about the directory itself.
  void take_event(std::uint16_t directory, std::string_view name, std::uint32_t mask);
  /// What has ended. To be called when one of fds() is readable.
  void take_results();

  /// Forgets what waits; what runs ends uncounted. For when the state may be half changed.
  void forget_all();

  /// Starts what may run.
  void start();
  /// When start() has to be called without any other reason.
  [[nodiscard]] std::optional<Time> due() const { return queue_.due(); }

  /// To be polled for POLLIN, -1 for none; they may be others after start().
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
  [[nodiscard]] bool is_there(std::string_view label, EntryKind least) const;
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
