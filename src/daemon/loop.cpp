// SPDX-License-Identifier: Apache-2.0
#include "daemon/loop.hpp"

#include <algorithm>
#include <csignal>
#include <exception>
#include <thread>
#include <utility>
#include <variant>

#include <nswarden/os/process.hpp>
#include <nswarden/policy/inotify_events.hpp>

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds rebuild_pause{100};
// Maximum time without progress of a sweep, or delay of the loop.
constexpr std::chrono::seconds health_timeout{60};

}  // namespace

Loop::Loop(Parts parts, LoadedConfig configuration, Limits limits)
    : parts_(parts),
      in_force_(parts.options, std::move(configuration), parts.metrics, parts.log),
      reconciler_options_{.fd_budget = limits.held_fds, .tick = kernel_tick()},
      reconciler_(std::in_place, parts.catalog, in_force_.policies(), reconciler_options_),
      commands_({parts.catalog, parts.metrics, parts.log}, limits.command_fds),
      restore_catalog_(netns_sources(netns_directories(parts.options.config, in_force_.configuration().config)),
                       in_force_.configuration().config.links),
      restorer_({parts.options.restore_file, parts.options.audit}, {restore_catalog_, kernel_tick(), parts.log}),
      publisher_({parts.options, in_force_, *reconciler_, commands_, restorer_, parts.catalog.sysctl_files(), parts.metrics,
                  parts.slot, parts.log}),
      sources_({parts.catalog, *reconciler_, publisher_, parts.instance_lock, parts.files, parts.log},
               netns_directories(parts.options.config, in_force_.configuration().config),
               configuration_path(parts.options.config)),
      sweeps_(
          {in_force_, slow_writer_, *reconciler_, restorer_, publisher_, sources_, parts.service, parts.metrics, parts.log}),
      write_events_(
          {slow_writer_, parts.catalog.sysctl_files(), *reconciler_, publisher_, sources_, sweeps_, parts.metrics, parts.log}) {
  parts_.catalog.set_slow_writer(slow_writer_);
  sources_.watch_always(parts_.signals.fd(), Wake::signal);
  sources_.watch_always(parts_.waker.fd(), Wake::reload_request);
  sources_.watch_always(slow_writer_.fd(), Wake::slow_writes);
  use_configuration("configuration loaded");
  if (!parts_.catalog.host_is_known()) {
    parts_.log.warn("cannot identify the host netns: /proc/1/ns/net is not readable",
                    {{"remedy", "grant CAP_SYS_PTRACE, or keep names of the host netns out of the netns directories"}});
  }
  if (sources_.writes().visibility_unknown()) {
    parts_.log.warn("cannot verify that writes by other processes are visible: process 1 is hidden",
                    {{"remedy", "remove ProtectProc= from the unit and hidepid= from the mount of /proc"}});
  }
  sources_.check_visibility();
  publisher_.publish(Clock::now());
}

void Loop::run() {
  request_short_slices();
  begin_sweep(Trigger::startup, Clock::now());
  while (!stopping_) {
    try {
      if (inconsistent_) rebuild();
      run_once();
    } catch (const std::exception& error) {
      // In practice, out of memory. Memory is unlikely to be available immediately.
      if (inconsistent_) std::this_thread::sleep_for(rebuild_pause);
      inconsistent_ = true;
      parts_.log.limited("broken", LogLevel::error, "internal error, rebuilding state and rescanning all netns",
                         {{"error", error.what()}});
    }
  }
  parts_.service.stopping(Clock::now());
  restorer_.save();
  parts_.log.info("stopping");
}

void Loop::run_once() {
  for (const Poller::Ready& ready : sources_.wait(until_next(Clock::now()))) handle_event(Wake{ready.token});
  begin_due_work(Clock::now());
  sweeps_.work(Clock::now());
  publisher_.take_reports();
  restorer_.step(*reconciler_, Clock::now());
  restorer_.save_if_due(Clock::now());
  write_events_.end_search();
  start_commands();
  sweeps_.report_ready_if_settled(Clock::now());
  publisher_.publish_if_due(Clock::now());
  feed_watchdog(Clock::now());
  parts_.log.flush();
}

/// All state about netns can be rediscovered, so a failed step is never rolled back.
void Loop::rebuild() {
  reconciler_.reset();
  in_force_.compile();
  Reconciler::Options options = reconciler_options_;
  options.resumed = sweeps_.first_done();
  reconciler_.emplace(parts_.catalog, in_force_.policies(), options);
  publisher_.writers().end_search();
  commands_.forget_all();
  use_configuration("configuration in force");
  sources_.suspect_mounts();
  begin_sweep(Trigger::lost, Clock::now());
  inconsistent_ = false;
  if (reload_due_ || reload_requested_) answer_reload_request(reload(Clock::now()));
}

std::chrono::nanoseconds Loop::until_next(Time now) const {
  if (reconciler_->work() || sweeps_.open() || restorer_.work()) return std::chrono::nanoseconds(0);
  Time next = sweeps_.next_due();
  for (const std::optional<Time> due : {reconciler_->pending_due(), reconciler_->retry_due(), write_events_.due(),
                                        restorer_.next_due(), commands_.due(), parts_.service.due(), publisher_.due()}) {
    if (due) next = std::min(next, *due);
  }
  return next - now;
}

void Loop::handle_event(Wake token) {
  switch (token) {
    case Wake::signal: handle_signals(); break;
    case Wake::directories: handle_directory_events(); break;
    case Wake::mounts: handle_mount_event(); break;
    case Wake::files:
      if (parts_.files.read_changed()) reload(Clock::now());
      break;
    case Wake::reload_request:
      if (!parts_.waker.read() || !parts_.reload_requests.take_request()) break;
      reload_requested_ = true;
      answer_reload_request(reload(Clock::now()));
      break;
    case Wake::commands:
      commands_.take_results();
      publisher_.mark_changed();
      break;
    case Wake::writes: write_events_.handle_writes(); break;
    case Wake::slow_writes: write_events_.handle_slow_writes(); break;
    case Wake::links: write_events_.handle_links(); break;
  }
}

void Loop::handle_signals() {
  while (const auto signal = parts_.signals.read()) {
    if (*signal == SIGHUP) {
      reload(Clock::now());
    } else {
      stopping_ = true;
    }
  }
}

void Loop::handle_directory_events() {
  bool lost = false;
  bool relist = false;
  for (const DirectoryEvent& event : sources_.netns().read()) {
    const bool is_entry = event.kind == DirectoryEvent::Kind::entry;
    const bool is_overflow = event.kind == DirectoryEvent::Kind::overflow;
    for (const std::string_view name : inotify_event_names(is_overflow ? 0 : event.mask)) {
      parts_.metrics.event("inotify", name);
      if (is_entry) parts_.log.debug("inotify event received", {{"event", name}, {"name", event.name}});
    }
    commands_.handle_event(event.directory, event.name, event.mask);
    if (is_entry && !event.name.empty()) reconciler_->touch(event.directory, event.name, Clock::now());
    relist = relist || event.kind == DirectoryEvent::Kind::directory;
    lost = lost || is_overflow;
  }
  if (relist) {
    sources_.follow_directories(true);
    sweeps_.list(Sweeps::Detail::full, Clock::now());
  }
  if (lost) {
    parts_.metrics.overflow("inotify");
    parts_.log.limited("overflow", LogLevel::warn, "inotify events lost, rescanning all netns");
    sources_.suspect_mounts();
    begin_sweep(Trigger::lost, Clock::now());
  }
  publisher_.mark_changed();
}

/// inotify does not report mounts (kernel fact 2). Checks pending names now and the other names soon.
void Loop::handle_mount_event() {
  parts_.metrics.event("mount", "change");
  sources_.suspect_mounts();
  const Time now = Clock::now();
  reconciler_->check_pending(now);
  // The watch precedes the listing, so no change in between is lost.
  if (sources_.follow_directories(false)) sweeps_.list(Sweeps::Detail::full, now);
  publisher_.mark_changed();
}

void Loop::begin_due_work(Time now) {
  if (const auto pending = reconciler_->pending_due(); pending && now >= *pending) reconciler_->check_pending(now);
  reconciler_->retry(now);
  if (write_events_.resume(now)) begin_sweep(Trigger::lost, now);
  if (sweeps_.due(now)) begin_sweep(Trigger::interval, now);
  sweeps_.list_if_due(now);
}

void Loop::begin_sweep(Trigger trigger, Time now) {
  // A reload only polls new sources. Otherwise a file that keeps changing would cause endless recursion.
  if (trigger == Trigger::reload) {
    sources_.watch();
  } else if (sources_.rearm() && reload(now).empty()) {
    return;  // the reload has begun its own sweep
  }
  write_events_.clear_losses();
  sweeps_.begin(trigger, now);
}

/// Parses the whole configuration before replacing it: a broken file is reported and changes nothing else. Returns why it is
/// refused, or an empty string.
std::string Loop::reload(Time now) {
  reload_due_ = true;  // until done: rebuild() repeats a reload that fails midway
  parts_.service.reloading(now);
  auto loaded = reload_configuration(parts_.options.config, in_force_.configuration());
  publisher_.mark_changed();
  if (const auto* none = std::get_if<RejectedConfig>(&loaded)) {
    std::string verdict = in_force_.reject(*none);
    publisher_.record_reload(verdict);
    sweeps_.report_ready_again(now);
    parts_.files.watch(none->named);
    reload_due_ = false;
    return verdict;
  }
  publisher_.take_reports();  // made under the previous policies
  const std::string dropped = in_force_.replace(std::get<LoadedConfig>(std::move(loaded)));
  reconciler_->set_policies(in_force_.policies());
  restorer_.policies_changed();
  parts_.metrics.reloaded(true);
  publisher_.record_reload({});
  use_configuration("configuration reloaded");
  if (!dropped.empty()) parts_.log.warn("reload removed policies or settings", {{"dropped", dropped}});
  const Config& config = in_force_.configuration().config;
  const auto ignored = [this](std::string_view field) {
    parts_.log.warn("change of the configuration ignored until restart", {{"field", field}});
  };
  if (netns_directories(parts_.options.config, config) != sources_.directories()) ignored("netns_dirs");
  if (config.links != parts_.catalog.links()) ignored("follow_links");
  begin_sweep(Trigger::reload, now);
  reload_due_ = false;
  return {};
}

/// An HTTP client may be waiting at the desk for this reload.
void Loop::answer_reload_request(std::string verdict) {
  if (std::exchange(reload_requested_, false)) parts_.reload_requests.answer(std::move(verdict));
}

void Loop::use_configuration(std::string_view message) {
  const PolicySet& policies = *in_force_.policies();
  const LoadedConfig& configuration = in_force_.configuration();
  parts_.metrics.register_policies(policies);
  parts_.files.watch(configuration.named);
  reconciler_->damp_by(damping(parts_.options.config, configuration.config));
  commands_.use(in_force_.policies(), command_timeout(parts_.options.config, configuration.config));
  sources_.use(policies);
  parts_.catalog.enable_kinds(kinds_of_names(policies));
  in_force_.log(message);
  publisher_.warn_missing_privileges();
}

void Loop::start_commands() {
  // A failure before the end of the first sweep restarts it with its commands, so none may have run by then.
  if (!sweeps_.first_done()) return;
  const auto before = std::pair(commands_.queued(), commands_.running());
  commands_.start();
  sources_.watch_commands(commands_.fds());
  if (before != std::pair(commands_.queued(), commands_.running())) publisher_.mark_changed();
}

/// For the service manager, which restarts a daemon that hangs, and for the health check. Due work begins in the same turn, so
/// only a sweep can stall.
void Loop::feed_watchdog(Time now) {
  parts_.service.send_again(now);
  const std::uint64_t progress = reconciler_->progress();
  if (reconciler_->sweeping() && progress == reported_progress_) return;
  reported_progress_ = progress;
  parts_.service.alive(now);
  parts_.slot.alive_until(std::max(now, now + until_next(now)) + health_timeout);
}

}  // namespace nswarden
