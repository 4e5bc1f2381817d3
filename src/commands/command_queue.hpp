// SPDX-License-Identifier: Apache-2.0
// Decides which command runs next. The commands of one netns run one after the other, in the order of their requests; those of
// several netns run in parallel, up to a limit. A repeat of a waiting list is merged with it, and new lists are refused when
// too many wait. A list of commands that keeps failing for a netns waits aside between its runs and delays no other.
// Starts nothing itself, and has no clock: the caller passes `now`. Loop thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nswarden/base/damping.hpp>
#include <nswarden/policy/policy_config.hpp>

namespace nswarden {

/// The commands of one policy for one event of one netns, in file order.
struct CommandJob {
  std::string netns;                                         ///< label, bytes; empty for an event of the directory itself
  std::string policy;                                        ///< name
  std::string event;                                         ///< such as IN_CREATE, or startup
  std::shared_ptr<const std::vector<std::string>> commands;  ///< its identity: the same list for the same netns is a repeat
  bool needs_netns = false;                                  ///< pointless once the netns is gone
  bool for_new_netns = false;  ///< for a new netns: the number of netns and policies bounds these, so no limit counts them
  CommandCapabilities capabilities = CommandCapabilities::none;
};

class CommandQueue {
 public:
  struct Limits {
    std::size_t events = 1000;   ///< jobs not `for_new_netns` that may wait; any user can cause such events
    std::size_t parallel = 4;    ///< netns that may have a command running
    DampingRules failures{};     ///< of one list for one netns
    std::size_t failing = 2000;  ///< failed lists to remember; beyond that the oldest are forgotten
  };
  explicit CommandQueue(Limits limits) : limits_(limits) {}

  enum class Push { queued, merged, refused };
  Push push(CommandJob job);

  /// Returns the next command to run, now counted as running; then call done() or skip() with its netns. nullopt while no more
  /// may run.
  struct Next {
    const CommandJob& job;  ///< valid until the next call
    const std::string& command;
  };
  std::optional<Next> next(Time now);
  /// When next() is due without another reason: a list set aside may run.
  [[nodiscard]] std::optional<Time> due() const { return due_.empty() ? std::nullopt : std::optional(due_.begin()->first); }

  /// The effect of a finished command on its whole list. A run of a list fails when one of its commands fails.
  struct Suspension {
    enum class Kind : std::uint8_t {
      unchanged,
      suspended,        ///< it has failed too often: runs are rare from here on, until it succeeds
      still_suspended,  ///< it failed again, and waits longer
      resumed,          ///< it has succeeded
    };
    Kind kind = Kind::unchanged;
    std::chrono::seconds delay{0};  ///< until the next run of a suspended list
    std::string error;              ///< likewise: of its first failed command
  };
  /// The command of this netns has ended; `error` is empty on success.
  Suspension done(std::string_view netns, std::string_view error, Time now);
  /// Drops the command of this netns, and every other one that needs the netns.
  void skip(std::string_view netns);
  /// The netns is gone: drops waiting commands that need it. Returns the number of these commands.
  std::size_t forget(std::string_view netns);
  /// Ends all suspensions, because the commands may have been replaced.
  void resume_all();

  /// Commands that wait, aside or not, and those that run.
  [[nodiscard]] std::size_t queued() const { return queued_; }
  [[nodiscard]] std::size_t running() const { return running_; }

 private:
  using List = std::shared_ptr<const std::vector<std::string>>;
  struct Line {
    std::deque<CommandJob> jobs;
    std::size_t at = 0;  // next command of the first job, or the one that runs
    bool running = false;
    std::string error;  // the first error of the first job
  };
  /// State of a list that failed for a netns.
  struct Failing {
    List commands;  // held, so that no other list can get its address
    Damping damping;
    std::optional<CommandJob> deferred;
  };
  using Lines = std::unordered_map<std::string, Line>;
  using Key = std::pair<std::string, const void*>;  // netns and list
  using AllFailing = std::map<Key, Failing>;
  static Key key_of(const CommandJob& job) { return {job.netns, job.commands.get()}; }
  void enqueue(CommandJob job);
  void advance(Lines::iterator line);
  void pop_first(Line& line);
  bool defer(Lines::iterator line, Time now);
  void release(Time now);
  Suspension judge(const CommandJob& job, std::string error, Time now);
  AllFailing::iterator remember(const CommandJob& job, Time now);
  std::size_t forget_failing(std::string_view netns);

  Limits limits_;
  Lines lines_;  // by netns; never empty
  std::deque<std::string> ready_;
  AllFailing failing_;
  std::set<std::pair<Time, Key>> due_;  // of those that have a job aside
  std::size_t events_ = 0;
  std::size_t queued_ = 0;
  std::size_t running_ = 0;
};

}  // namespace nswarden
