// SPDX-License-Identifier: Apache-2.0
#include <nswarden/commands/commands.hpp>

#include <fmt/format.h>

#include <array>

#include <nswarden/base/text.hpp>
#include <nswarden/policy/inotify_events.hpp>

namespace nswarden {
namespace {

using End = CommandResult::End;
using List = std::shared_ptr<const std::vector<std::string>>;

// Bytes of a command that a log line shows.
constexpr std::size_t longest_shown = 1000;

const std::uint32_t created = inotify_bits("IN_CREATE").value_or(0);
const std::uint32_t removed = inotify_bits("IN_DELETE").value_or(0) | inotify_bits("IN_MOVED_FROM").value_or(0);

std::string abbreviated(std::string_view command) {
  if (command.size() <= longest_shown) return std::string(command);
  return std::string(command.substr(0, longest_shown)) + "...";
}

std::string shown_output(const CommandResult& result) {
  const std::uint64_t left_out = result.output_size - result.head.size() - result.tail.size();
  std::string text = result.head;
  if (left_out > 0) text += fmt::format("[... {} bytes ...]", left_out);
  text += result.tail;
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

/// The label `reason` of a failure; empty for a success.
std::string_view failure_reason(const CommandResult& result) {
  switch (result.end) {
    case End::exited: return result.code == 0 ? "" : "exit";
    case End::signalled: return "exit";
    case End::timed_out: return "timeout";
    case End::not_started:
    case End::not_allowed:
    case End::lost: break;
  }
  return "other";
}

std::string failure_text(const CommandResult& result, std::chrono::milliseconds timeout) {
  switch (result.end) {
    case End::exited: return fmt::format("exit status {}", result.code);
    case End::signalled: return fmt::format("killed by signal {}", result.code);
    case End::timed_out:
      return fmt::format("timed out after {}; killed with all processes that it started", format_duration(timeout));
    case End::not_started: return fmt::format("cannot start: {}", error_text(result.code));
    case End::not_allowed: return fmt::format("not run: cannot set its capabilities: {}", error_text(result.code));
    case End::lost: break;
  }
  return "its supervisor process was killed";
}

}  // namespace

void Commands::use(std::shared_ptr<const PolicySet> policies, std::chrono::milliseconds timeout) {
  policies_ = std::move(policies);
  timeout_ = timeout;
  queue_.resume_all();
}

void Commands::forget_all() {
  if (queue_.queued() > 0) parts_.log.warn("queued commands dropped", {{"count", std::to_string(queue_.queued())}});
  queue_ = CommandQueue({});
  running_.clear();
}

void Commands::handle_report(const Report& report) {
  if (report.life == Report::Life::gone) {
    if (const std::size_t dropped = queue_.forget(report.netns); dropped > 0) {
      parts_.log.debug("commands dropped: netns gone", {{"netns", report.netns}, {"count", std::to_string(dropped)}});
    }
  }
  for (const PolicyIndex index : report.newly_matched) {
    const PolicySet::Policy& policy = policies_->policies()[index];
    if (report.source == Source::startup) {
      push(policy, {report.netns, policy.name, "startup", List(policy.commands, &policy.commands->startup), true, true,
                    policy.commands->capabilities});
      continue;
    }
    for (const PolicyCommands::OnEvent& on : policy.commands->events) {
      if ((on.bits & created) == 0) continue;
      push(policy, {report.netns, policy.name, on.event, List(policy.commands, &on.commands), true, true,
                    policy.commands->capabilities});
    }
  }
}

void Commands::handle_event(std::uint16_t directory, std::string_view name, std::uint32_t mask) {
  if ((mask & policies_->event_bits()) == 0) return;
  const std::array names{NetnsName{name}};
  const std::vector<PolicyIndex> matched = policies_->match(names);
  if (matched.empty()) parts_.log.debug("no policy matches name", {{"name", name}});
  // Commands for IN_CREATE wait for the report that the netns exists and has been made compliant.
  mask &= ~created;
  const std::string label = name.empty() ? std::string() : label_of(parts_.catalog.sources()[directory], directory, name);
  const bool needs_netns = (mask & removed) == 0 && !name.empty();
  for (const PolicyIndex index : matched) {
    const PolicySet::Policy& policy = policies_->policies()[index];
    for (const PolicyCommands::OnEvent& on : policy.commands->events) {
      if ((on.bits & mask) == 0) continue;
      push(policy, {label, policy.name, on.event, List(policy.commands, &on.commands), needs_netns, false,
                    policy.commands->capabilities});
    }
  }
}

void Commands::push(const PolicySet::Policy& policy, CommandJob job) {
  if (job.commands->empty()) return;
  const std::string netns = job.netns;
  const std::string event = job.event;
  const std::size_t count = job.commands->size();
  if (policy.mode == Mode::audit) {
    parts_.log.debug("commands skipped: the policy only audits", {{"netns", netns}, {"policy", policy.name}, {"event", event}});
    return;
  }
  const CommandQueue::Push pushed = queue_.push(std::move(job));
  if (pushed == CommandQueue::Push::refused) {
    parts_.metrics.commands_dropped(policy.name, count);
    parts_.log.limited("commands dropped", LogLevel::warn, "commands dropped: queue full",
                       {{"netns", netns}, {"policy", policy.name}, {"event", event}});
    return;
  }
  parts_.log.debug(pushed == CommandQueue::Push::merged ? "commands already queued" : "commands queued",
                   {{"netns", netns}, {"policy", policy.name}, {"event", event}});
}

void Commands::start() {
  while (const auto next = queue_.next(std::chrono::steady_clock::now())) {
    const std::string netns = next->job.netns;
    // A reported netns must still be a netns; another event may concern any file.
    const auto min_kind = next->job.for_new_netns ? EntryKind::nsfs : EntryKind::placeholder;
    if (next->job.needs_netns && !exists(netns, min_kind)) {
      parts_.log.debug("commands skipped: netns gone", {{"netns", netns}, {"event", next->job.event}});
      queue_.skip(netns);
    } else {
      launch(*next);
    }
  }
}

bool Commands::exists(std::string_view label, EntryKind min_kind) const {
  const std::string_view name = label.substr(label.rfind('/') + 1);
  const std::span<const NetnsSource> sources = parts_.catalog.sources();
  for (std::size_t source = 0; source < sources.size(); ++source) {
    const bool is_named = label_of(sources[source], source, name) == label;
    // An entry of unknown kind counts as present: an unneeded command fails, but a skipped one never runs.
    if (is_named && parts_.catalog.look_up(static_cast<std::uint16_t>(source), name).kind >= min_kind) return true;
  }
  return false;
}

void Commands::launch(const CommandQueue::Next& next) {
  const CommandJob& job = next.job;
  const CommandRequest request{
      ++last_id_, next.command, {"NETNS=" + job.netns, "NSWARDEN_EVENT=" + job.event}, timeout_, job.capabilities};
  Running run{job.netns, job.policy, job.event, abbreviated(next.command), job.capabilities, std::chrono::steady_clock::now()};
  parts_.log.debug("command started", {{"netns", run.netns},
                                       {"policy", run.policy},
                                       {"event", run.event},
                                       {"command", run.command},
                                       {"capabilities", to_string(run.capabilities)}});
  if (const auto started = runner_.start(request); !started) {
    return conclude(run, {request.id, End::not_started, started.error().code});
  }
  running_.emplace(request.id, std::move(run));
}

void Commands::take_results() {
  for (const CommandResult& result : runner_.read()) {
    const auto run = running_.find(result.id);
    if (run == running_.end()) continue;
    conclude(run->second, result);
    running_.erase(run);
  }
}

void Commands::conclude(const Running& run, const CommandResult& result) {
  const std::string_view reason = failure_reason(result);
  parts_.metrics.command_attempt(run.policy, reason);
  const std::string seconds =
      fmt::format("{:.3f}", std::chrono::duration<double>(std::chrono::steady_clock::now() - run.started).count());
  const std::string output = shown_output(result);
  const LogField netns{"netns", run.netns};
  const LogField policy{"policy", run.policy};
  const LogField event{"event", run.event};
  const LogField command{"command", run.command};
  const LogField capabilities{"capabilities", to_string(run.capabilities)};
  const LogField duration{"seconds", seconds};
  std::string error;
  if (reason.empty()) {
    parts_.log.info(result.left_running ? "command done, processes left running" : "command done",
                    {netns, policy, event, command, duration, {"output", output}});
  } else {
    error = failure_text(result, timeout_);
    parts_.log.warn("command failed",
                    {netns, policy, event, command, capabilities, {"error", error}, duration, {"output", output}});
  }
  log(queue_.done(run.netns, error, std::chrono::steady_clock::now()), run);
}

void Commands::log(const CommandQueue::Suspension& suspension, const Running& run) {
  using Kind = CommandQueue::Suspension::Kind;
  const std::string delay = format_duration(suspension.delay);
  const LogField netns{"netns", run.netns};
  const LogField policy{"policy", run.policy};
  const LogField event{"event", run.event};
  switch (suspension.kind) {
    case Kind::unchanged: break;
    case Kind::suspended:
      parts_.log.warn("commands suspended after repeated failures",
                      {netns, policy, event, {"error", suspension.error}, {"next_in", delay}});
      break;
    case Kind::still_suspended:
      parts_.log.debug("commands still failing", {netns, policy, event, {"error", suspension.error}, {"next_in", delay}});
      break;
    case Kind::resumed: parts_.log.info("commands succeed again", {netns, policy, event}); break;
  }
}

}  // namespace nswarden
