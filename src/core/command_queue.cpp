// SPDX-License-Identifier: Apache-2.0
#include <nswarden/core/command_queue.hpp>

#include <algorithm>
#include <utility>

namespace nswarden::core {

CommandQueue::Push CommandQueue::push(CommandJob job) {
  if (job.commands->empty()) return Push::merged;
  const auto known = lines_.find(job.netns);
  if (known != lines_.end()) {
    // What runs already may have begun before the event, so that it does not count.
    const auto& waiting = known->second.jobs;
    const auto first = waiting.begin() + (known->second.running || known->second.at > 0 ? 1 : 0);
    const bool repeat =
        std::any_of(first, waiting.end(), [&](const CommandJob& other) { return other.commands == job.commands; });
    if (repeat) return Push::merged;
  }
  if (!job.of_life && events_ >= limits_.events) return Push::refused;
  const auto line = known != lines_.end() ? known : lines_.emplace(job.netns, Line{}).first;
  if (line->second.jobs.empty()) ready_.push_back(job.netns);
  queued_ += job.commands->size();
  events_ += job.of_life ? 0 : 1;
  line->second.jobs.push_back(std::move(job));
  return Push::queued;
}

std::optional<CommandQueue::Next> CommandQueue::next() {
  if (running_ >= limits_.parallel || ready_.empty()) return std::nullopt;
  Line& line = lines_.find(ready_.front())->second;
  ready_.pop_front();
  line.running = true;
  ++running_;
  --queued_;
  const CommandJob& job = line.jobs.front();
  return Next{job, (*job.commands)[line.at]};
}

void CommandQueue::done(std::string_view netns) {
  const auto line = lines_.find(std::string(netns));
  line->second.running = false;
  --running_;
  ++line->second.at;
  advance(line);
}

void CommandQueue::skip(std::string_view netns) {
  const auto line = lines_.find(std::string(netns));
  forget(netns);
  line->second.running = false;
  --running_;
  ++line->second.at;
  advance(line);
}

/// A command of its first job has ended: the next one is ready, unless there is none.
void CommandQueue::advance(Lines::iterator line) {
  Line& of = line->second;
  if (of.at >= of.jobs.front().commands->size()) pop_first(of);
  if (of.jobs.empty()) {
    lines_.erase(line);
  } else {
    ready_.push_back(line->first);
  }
}

void CommandQueue::pop_first(Line& line) {
  events_ -= line.jobs.front().of_life ? 0 : 1;
  line.jobs.pop_front();
  line.at = 0;
}

std::size_t CommandQueue::forget(std::string_view netns) {
  const auto found = lines_.find(std::string(netns));
  if (found == lines_.end()) return 0;
  Line& line = found->second;
  std::size_t dropped = 0;
  CommandJob& first = line.jobs.front();
  const bool begun = line.running || line.at > 0;
  if (begun && first.needs_netns) {
    // Of the job that is under way the rest; its command that runs ends by itself.
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
    events_ -= job->of_life ? 0 : 1;
    job = line.jobs.erase(job);
  }
  queued_ -= dropped;
  const bool idle_at_end = !line.running && !line.jobs.empty() && line.at >= line.jobs.front().commands->size();
  if (idle_at_end) pop_first(line);
  if (line.jobs.empty()) {
    std::erase(ready_, found->first);
    lines_.erase(found);
  }
  return dropped;
}

}  // namespace nswarden::core
