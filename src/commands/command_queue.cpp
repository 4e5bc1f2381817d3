// SPDX-License-Identifier: Apache-2.0
#include "commands/command_queue.hpp"

#include <algorithm>

namespace nswarden {

CommandQueue::Push CommandQueue::push(CommandJob job) {
  if (job.commands->empty()) return Push::merged;
  const auto known = lines_.find(job.netns);
  if (known != lines_.end()) {
    // A running job may have begun before the event, so it does not count as a repeat.
    auto& waiting = known->second.jobs;
    const auto first = waiting.begin() + (known->second.running || known->second.at > 0 ? 1 : 0);
    const auto repeat =
        std::find_if(first, waiting.end(), [&](const CommandJob& other) { return other.commands == job.commands; });
    if (repeat != waiting.end()) {
      if (job.for_new_netns && !repeat->for_new_netns) {
        *repeat = std::move(job);  // otherwise it might be set aside
        --events_;
      }
      return Push::merged;
    }
  }
  if (!job.for_new_netns) {
    const auto failing = failing_.find(key_of(job));
    if (failing != failing_.end() && failing->second.deferred) return Push::merged;
    if (events_ >= limits_.events) return Push::refused;
  }
  queued_ += job.commands->size();
  events_ += job.for_new_netns ? 0 : 1;
  enqueue(std::move(job));
  return Push::queued;
}

void CommandQueue::enqueue(CommandJob job) {
  Line& line = lines_.try_emplace(job.netns).first->second;
  if (line.jobs.empty()) ready_.push_back(job.netns);
  line.jobs.push_back(std::move(job));
}

std::optional<CommandQueue::Next> CommandQueue::next(Time now) {
  release(now);
  while (running_ < limits_.parallel && !ready_.empty()) {
    const auto found = lines_.find(ready_.front());
    ready_.pop_front();
    if (defer(found, now)) continue;
    Line& line = found->second;
    line.running = true;
    ++running_;
    --queued_;
    const CommandJob& job = line.jobs.front();
    return Next{job, (*job.commands)[line.at]};
  }
  return std::nullopt;
}

/// Returns true when the first job of the line may not run now; the line then continues without it.
bool CommandQueue::defer(Lines::iterator line, Time now) {
  Line& of = line->second;
  CommandJob& job = of.jobs.front();
  if (job.for_new_netns) return false;
  const auto found = failing_.find(key_of(job));
  if (found == failing_.end() || found->second.damping.may_write(now)) return false;
  due_.emplace(found->second.damping.due(limits_.failures), found->first);
  found->second.deferred = std::move(job);
  of.jobs.pop_front();
  if (of.jobs.empty()) {
    lines_.erase(line);
  } else {
    ready_.push_front(line->first);
  }
  return true;
}

void CommandQueue::release(Time now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    Failing& failing = failing_.find(due_.begin()->second)->second;
    due_.erase(due_.begin());
    enqueue(*std::move(failing.deferred));
    failing.deferred.reset();
  }
}

CommandQueue::Suspension CommandQueue::done(std::string_view netns, std::string_view error, Time now) {
  const auto line = lines_.find(std::string(netns));
  Line& of = line->second;
  if (of.error.empty()) of.error = error;
  Suspension suspension;
  if (of.at + 1 >= of.jobs.front().commands->size()) suspension = judge(of.jobs.front(), std::move(of.error), now);
  advance(line);
  return suspension;
}

/// A run of the whole list has ended. A job `for_new_netns` runs only once, so suspension does not apply to it.
CommandQueue::Suspension CommandQueue::judge(const CommandJob& job, std::string error, Time now) {
  using Kind = Suspension::Kind;
  if (job.for_new_netns) return {};
  auto known = failing_.find(key_of(job));
  if (error.empty()) {
    if (known == failing_.end()) return {};
    const Kind kind = known->second.damping.suspended() ? Kind::resumed : Kind::unchanged;
    failing_.erase(known);
    return {kind, {}, {}};
  }
  if (known == failing_.end()) known = remember(job, now);
  if (known == failing_.end()) return {};
  Damping& damping = known->second.damping;
  const bool was_suspended = damping.suspended();
  damping.repaired(now, limits_.failures);
  (void)damping.found_drifted(now, limits_.failures);
  if (!damping.suspended()) return {};
  return {was_suspended ? Kind::still_suspended : Kind::suspended, damping.delay(), std::move(error)};
}

/// Adds a failed list, if necessary in place of the one that has been quiet for longest. Returns end() if all of them wait
/// aside.
CommandQueue::AllFailing::iterator CommandQueue::remember(const CommandJob& job, Time now) {
  const auto quiet_from = [this](const Failing& failing) {
    return failing.damping.suspended() ? failing.damping.due(limits_.failures) : failing.damping.ends(limits_.failures);
  };
  if (failing_.size() >= limits_.failing) {
    std::erase_if(failing_, [&](const auto& one) {
      return !one.second.damping.suspended() && one.second.damping.ends(limits_.failures) <= now;
    });
  }
  if (failing_.size() >= limits_.failing) {
    auto quietest = failing_.end();
    for (auto one = failing_.begin(); one != failing_.end(); ++one) {
      if (one->second.deferred) continue;
      if (quietest == failing_.end() || quiet_from(one->second) < quiet_from(quietest->second)) quietest = one;
    }
    if (quietest == failing_.end()) return quietest;
    failing_.erase(quietest);
  }
  return failing_.emplace(key_of(job), Failing{job.commands, {}, {}}).first;
}

void CommandQueue::resume_all() {
  due_.clear();
  for (auto& [key, failing] : failing_) {
    if (failing.deferred) enqueue(*std::move(failing.deferred));
  }
  failing_.clear();
}

void CommandQueue::skip(std::string_view netns) {
  const auto line = lines_.find(std::string(netns));
  forget(netns);
  advance(line);
}

/// The running command of the first job has ended: the next command, if any, is ready.
void CommandQueue::advance(Lines::iterator line) {
  Line& of = line->second;
  of.running = false;
  --running_;
  ++of.at;
  if (of.at >= of.jobs.front().commands->size()) pop_first(of);
  if (of.jobs.empty()) {
    lines_.erase(line);
  } else {
    ready_.push_back(line->first);
  }
}

void CommandQueue::pop_first(Line& line) {
  events_ -= line.jobs.front().for_new_netns ? 0 : 1;
  line.jobs.pop_front();
  line.at = 0;
  line.error.clear();
}

/// Keeps a list that waits aside and does not need the netns: it still gets its turn.
std::size_t CommandQueue::forget_failing(std::string_view netns) {
  std::size_t dropped = 0;
  for (auto one = failing_.lower_bound({std::string(netns), nullptr}); one != failing_.end() && one->first.first == netns;) {
    const auto& [key, failing] = *one;
    if (failing.deferred && !failing.deferred->needs_netns) {
      ++one;
      continue;
    }
    if (failing.deferred) {
      dropped += failing.deferred->commands->size();
      --events_;
      due_.erase({failing.damping.due(limits_.failures), key});
    }
    one = failing_.erase(one);
  }
  queued_ -= dropped;
  return dropped;
}

std::size_t CommandQueue::forget(std::string_view netns) {
  const std::size_t deferred = forget_failing(netns);
  const auto found = lines_.find(std::string(netns));
  if (found == lines_.end()) return deferred;
  Line& line = found->second;
  std::size_t dropped = 0;
  CommandJob& first = line.jobs.front();
  const bool begun = line.running || line.at > 0;
  if (begun && first.needs_netns) {
    // Drop the rest of the current job; its running command ends by itself.
    const std::size_t rest = first.commands->size() - line.at - (line.running ? 1 : 0);
    const auto end = first.commands->begin() + static_cast<std::ptrdiff_t>(line.at + (line.running ? 1 : 0));
    first.commands = std::make_shared<const std::vector<std::string>>(first.commands->begin(), end);
    dropped += rest;
  }
  for (auto job = line.jobs.begin() + (begun ? 1 : 0); job != line.jobs.end();) {
    if (!job->needs_netns) {
      ++job;
      continue;
    }
    dropped += job->commands->size();
    events_ -= job->for_new_netns ? 0 : 1;
    job = line.jobs.erase(job);
  }
  queued_ -= dropped;
  const bool idle_at_end = !line.running && !line.jobs.empty() && line.at >= line.jobs.front().commands->size();
  if (idle_at_end) pop_first(line);
  if (line.jobs.empty()) {
    std::erase(ready_, found->first);
    lines_.erase(found);
  }
  return deferred + dropped;
}

}  // namespace nswarden
