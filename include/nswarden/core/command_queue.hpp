// SPDX-License-Identifier: Apache-2.0
// Which command runs next: for one netns they run one after the other in the order in which they were asked for, for several
// netns beside each other, a few at most. A repeat of what waits already is merged with it, and when too much waits, what is
// new is refused. Starts nothing itself. Loop thread only.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace nswarden::core {

/// The commands of one policy for one event of one netns, in file order.
struct CommandJob {
  std::string netns;                                         ///< label, bytes; empty for an event of the directory itself
  std::string policy;                                        ///< name
  std::string event;                                         ///< such as IN_CREATE, or startup
  std::shared_ptr<const std::vector<std::string>> commands;  ///< its identity: the same list for the same netns is a repeat
  bool needs_netns = false;                                  ///< pointless once the netns has gone
  bool of_life =
      false;  ///< for a netns that came: there are never more of these than netns and policies, so no limit counts them
};

class CommandQueue {
 public:
  struct Limits {
    std::size_t events = 1000;  ///< jobs not `of_life` that may wait; anybody can make such events
    std::size_t parallel = 4;   ///< netns that may have a command running
  };
  explicit CommandQueue(Limits limits) : limits_(limits) {}

  enum class Push { queued, merged, refused };
  Push push(CommandJob job);

  /// The next command to run, now counted as running; then call done() or skip() with its netns. None while all that may run do.
  struct Next {
    const CommandJob& job;  ///< valid until the next call
    const std::string& command;
  };
  std::optional<Next> next();

  /// The command of this netns has ended, however it did.
  void done(std::string_view netns);
  /// The command of this netns is not to be run, nor any other that needs it.
  void skip(std::string_view netns);
  /// The netns has gone: what waits and needs it is dropped. How many commands those are.
  std::size_t forget(std::string_view netns);

  /// Commands that wait, and those that run.
  [[nodiscard]] std::size_t queued() const { return queued_; }
  [[nodiscard]] std::size_t running() const { return running_; }

 private:
  struct Line {
    std::deque<CommandJob> jobs;
    std::size_t at = 0;  // next command of the first job, or the one that runs
    bool running = false;
  };
  using Lines = std::unordered_map<std::string, Line>;
  void advance(Lines::iterator line);
  void pop_first(Line& line);

  Limits limits_;
  Lines lines_;  // by netns; none is empty
  std::deque<std::string> ready_;
  std::size_t events_ = 0;
  std::size_t queued_ = 0;
  std::size_t running_ = 0;
};

}  // namespace nswarden::core
