// SPDX-License-Identifier: Apache-2.0
// Which command runs next: for one netns they run one after the other in the order in which they were asked for, for several
// netns beside each other, a few at most. A repeat of what waits already is merged with it, and when too much waits, what is
// new is refused. A list of commands that keeps failing for a netns waits aside between its runs, in nobody's way. Starts
// nothing itself, and knows no clock: `now` is given. Loop thread only.
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
  bool needs_netns = false;                                  ///< pointless once the netns has gone
  bool of_life =
      false;  ///< for a netns that came: there are never more of these than netns and policies, so no limit counts them
  CommandCapabilities capabilities = CommandCapabilities::none;
};

class CommandQueue {
 public:
  struct Limits {
    std::size_t events = 1000;   ///< jobs not `of_life` that may wait; anybody can make such events
    std::size_t parallel = 4;    ///< netns that may have a command running
    DampingRules failures{};     ///< of one list for one netns
    std::size_t failing = 2000;  ///< lists that failed and are remembered; of more the oldest are forgotten
  };
  explicit CommandQueue(Limits limits) : limits_(limits) {}

  enum class Push { queued, merged, refused };
  Push push(CommandJob job);

  /// The next command to run, now counted as running; then call done() or skip() with its netns. None while all that may run do.
  struct Next {
    const CommandJob& job;  ///< valid until the next call
    const std::string& command;
  };
  std::optional<Next> next(Time now);
  /// When next() has to be called without any other reason: something that waits aside may run.
  [[nodiscard]] std::optional<Time> due() const { return due_.empty() ? std::nullopt : std::optional(due_.begin()->first); }

  /// What the end of a command changes for its whole list. A run of a list has failed when one of its commands has.
  struct Suspension {
    enum class What : std::uint8_t {
      unchanged,
      suspended,        ///< it has failed too often: only now and then from here on, until it succeeds
      still_suspended,  ///< it failed again, and has to wait longer
      resumed,          ///< it has succeeded
    };
    What what = What::unchanged;
    std::chrono::seconds delay{0};  ///< of suspended ones, to the next run
    std::string error;              ///< likewise: of its first command that failed
  };
  /// The command of this netns has ended; `error` is empty when it did well.
  Suspension done(std::string_view netns, std::string_view error, Time now);
  /// The command of this netns is not to be run, nor any other that needs it.
  void skip(std::string_view netns);
  /// The netns has gone: what waits and needs it is dropped. How many commands those are.
  std::size_t forget(std::string_view netns);
  /// Nothing is suspended any more: other commands may be in their place now.
  void pardon();

  /// Commands that wait, aside or not, and those that run.
  [[nodiscard]] std::size_t queued() const { return queued_; }
  [[nodiscard]] std::size_t running() const { return running_; }

 private:
  using List = std::shared_ptr<const std::vector<std::string>>;
  struct Line {
    std::deque<CommandJob> jobs;
    std::size_t at = 0;  // next command of the first job, or the one that runs
    bool running = false;
    std::string error;  // the first one of the first job
  };
  /// What is known of a list that failed for a netns.
  struct Failing {
    List commands;  // held, so that no other list can come to lie where it does
    Damping damping;
    std::optional<CommandJob> aside;
  };
  using Lines = std::unordered_map<std::string, Line>;
  using Key = std::pair<std::string, const void*>;  // netns and list
  using AllFailing = std::map<Key, Failing>;
  static Key key_of(const CommandJob& job) { return {job.netns, job.commands.get()}; }
  void enqueue(CommandJob job);
  void advance(Lines::iterator line);
  void pop_first(Line& line);
  bool set_aside(Lines::iterator line, Time now);
  void release(Time now);
  Suspension judge(const CommandJob& job, std::string error, Time now);
  AllFailing::iterator remember(const CommandJob& job, Time now);
  std::size_t forget_failing(std::string_view netns);

  Limits limits_;
  Lines lines_;  // by netns; none is empty
  std::deque<std::string> ready_;
  AllFailing failing_;
  std::set<std::pair<Time, Key>> due_;  // of those that have a job aside
  std::size_t events_ = 0;
  std::size_t queued_ = 0;
  std::size_t running_ = 0;
};

}  // namespace nswarden
