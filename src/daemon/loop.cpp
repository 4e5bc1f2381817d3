// SPDX-License-Identifier: Apache-2.0
#include "daemon/loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/base/unix_time.hpp>
#include <nswarden/config/config_text.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/process.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// What an event may have to wait for while a sweep goes on. The clock is looked at after about so many keys.
constexpr std::chrono::microseconds slice_time{400};
constexpr std::size_t step_cost = 32;
// So long RTNL may be held, and what depends on this daemon waits for it, before it is told that it may go on.
constexpr std::chrono::seconds settling{10};
// Hosts mount all day (kernel fact 24): names that are bound are looked at again at most this often for it.
constexpr milliseconds full_listing_gap{1000};
constexpr milliseconds broken_pause{100};
constexpr milliseconds longest_observation_gap{10'000};

std::shared_ptr<const PolicySet> compile(const Config& config, const DaemonOptions& options) {
  return std::make_shared<PolicySet>(config, options.audit ? PolicySet::Audit::everything : PolicySet::Audit::as_configured);
}

}  // namespace

Loop::Loop(Parts parts, LoadedConfig configuration, Limits limits)
    : parts_(parts),
      configuration_(std::move(configuration)),
      directories_(netns_directories(parts.options.config, configuration_.config)),
      limits_(limits),
      policies_(compile(configuration_.config, parts.options)),
      writers_(parts.catalog.sysctl_files(), describe_writer),
      report_log_(parts.metrics, parts.log, writers_, events_),
      commands_({parts.catalog, parts.metrics, parts.log}, limits.command_fds),
      restore_catalog_(netns_sources(directories_), configuration_.config.links),
      restorer_({parts.options.restore_file, parts.options.audit}, {restore_catalog_, kernel_tick(), parts.log}),
      netns_watcher_(directories_),
      sysctl_watcher_(parts.catalog.sysctl_files()),
      config_{configuration_.source, configuration_.hash, unix_time(), {}, 0, parts.options.audit} {
  reconciler_.emplace(parts_.catalog, policies_, reconciler_options());
  parts_.catalog.write_slowly_by(slow_writer_);
  watch_loop();
  use_configuration("configuration loaded");
  if (!parts_.catalog.host_is_known()) {
    parts_.log.warn("the host's own netns cannot be told from others, because /proc/1/ns/net is not readable",
                    {{"remedy", "give CAP_SYS_PTRACE, or keep names of it out of the netns directories"}});
  }
  if (sysctl_watcher_.unsure()) {
    parts_.log.warn("whether writes of other programs are seen cannot be told, because process 1 is hidden",
                    {{"remedy", "no ProtectProc= in the unit, no hidepid= where /proc is mounted"}});
  }
  look_at_propagation();
  publish(Clock::now());
}

void Loop::run() {
  ask_for_short_turns();
  begin_sweep(Trigger::startup, Clock::now());
  while (!stopping_) {
    try {
      if (broken_) begin_again();
      turn();
    } catch (const std::exception& error) {
      // For want of memory, in practice. What is asked for again at once will hardly be there.
      if (broken_) std::this_thread::sleep_for(broken_pause);
      broken_ = true;
      parts_.log.limited("broken", LogLevel::error, "something failed half-way; all netns are looked at anew",
                         {{"error", error.what()}});
    }
  }
  parts_.service.stopping(Clock::now());
  restorer_.save();
  parts_.log.info("stopping");
}

void Loop::turn() {
  for (const Poller::Ready& ready : poller_.wait(until_next(Clock::now()))) take_event(ready.token);
  see_to_what_is_due(Clock::now());
  work(Clock::now());
  tell_reports();
  restorer_.step(*reconciler_, Clock::now());
  restorer_.save_if_due(Clock::now());
  end_search();
  see_to_commands();
  see_to_readiness(Clock::now());
  if (dirty_ && Clock::now() >= next_publish_) publish(Clock::now());
  show_life(Clock::now());
  parts_.log.flush();
}

/// Everything that is known of netns can be found out again, so that no step of the way needs to be undone when one fails.
void Loop::begin_again() {
  reconciler_.reset();
  policies_ = compile(configuration_.config, parts_.options);
  Reconciler::Options options = reconciler_options();
  options.resumed = swept_;
  reconciler_.emplace(parts_.catalog, policies_, options);
  writers_.end_search();
  commands_.forget_all();
  use_configuration("configuration in force");
  mounts_changed_ = true;
  begin_sweep(Trigger::lost, Clock::now());
  broken_ = false;
  if (reload_due_ || desk_waits_) answer_desk(reload(Clock::now()));
}

/// Somebody may wait at the desk for this reload.
void Loop::answer_desk(std::string verdict) {
  if (std::exchange(desk_waits_, false)) parts_.desk.answer(std::move(verdict));
}

std::chrono::nanoseconds Loop::until_next(Time now) const {
  if (reconciler_->work() || sweep_open_ || restorer_.work()) return std::chrono::nanoseconds(0);
  const auto sooner = [](Time one, std::optional<Time> other) { return other ? std::min(one, *other) : one; };
  Time next = next_sweep_;
  next = sooner(next, reconciler_->pending_due());
  next = sooner(next, reconciler_->retry_due());
  next = sooner(next, writes_due());
  next = sooner(next, restorer_.next_due());
  next = sooner(next, links_rest_until_);
  if (mounts_changed_) next = std::min(next, last_full_listing_ + full_listing_gap);
  if (const auto commands = commands_.due()) next = std::min(next, *commands);
  next = sooner(next, parts_.service.due());
  next = sooner(next, unsettled_);
  if (dirty_) next = std::min(next, next_publish_);
  return next - now;
}

void Loop::tell_failures(const std::vector<Listing::Failure>& failures) {
  std::vector<SourceSnapshot> now;
  for (const Listing::Failure& failure : failures) {
    const std::string& directory = directories_[failure.directory];
    now.push_back(
        {directory, false,
         fmt::format("{}: {}; what is known of it stays governed", failure.error.attempt, error_text(failure.error.code))});
    const bool known = std::any_of(listings_.begin(), listings_.end(), [&](const SourceSnapshot& listing) {
      return listing.name == directory && listing.reason == now.back().reason;
    });
    if (known) continue;
    parts_.log.warn("cannot list a netns directory", {{"directory", directory}, {"reason", now.back().reason}});
  }
  listings_ = std::move(now);
}

void Loop::list(Detail detail, Time now) {
  const auto failures = reconciler_->list(detail, now);
  if (!failures.empty() || !listings_.empty()) tell_failures(failures);
  if (detail == Detail::full) {
    last_full_listing_ = now;
    if (failures.empty()) mounts_changed_ = false;
  }
  dirty_ = true;
}

void Loop::begin_sweep(Trigger trigger, Time now) {
  // After a reload only what is new is to be polled: a file that keeps changing must not make this go round and round.
  if (trigger == Trigger::reload) {
    watch_sources();
  } else if (rearm() && reload(now).empty()) {
    return;  // that has begun a sweep of its own
  }
  // A name that is known can lead elsewhere only by a mount, and the mount table tells of each: without one, names are enough.
  const bool sure = !mounts_changed_ && netns_watcher_.mounts_state().ok();
  trigger_ = trigger;
  writes_lost_ = false;
  next_sweep_ = now + sweep_interval();
  reconciler_->begin_sweep();
  sweep_open_ = true;
  list(sure ? Detail::names : Detail::full, now);
  sweep_time_ = Clock::now() - now;
}

/// What is exported must not be older than 15 s, however seldom drift is looked for.
std::chrono::milliseconds Loop::sweep_interval() const {
  const auto interval = reconcile_interval(parts_.options.config, configuration_.config);
  return policies_->observes() ? std::min(interval, longest_observation_gap) : interval;
}

Reconciler::Options Loop::reconciler_options() const {
  Reconciler::Options options{limits_.held_fds};
  options.tick = kernel_tick();
  return options;
}

void Loop::finish_sweep() {
  parts_.metrics.reconciled(trigger_, sweep_time_);
  if (swept_) last_sweep_time_ = sweep_time_;  // the first one is mostly binding
  last_reconcile_ = unix_time();
  dirty_ = true;
  const Totals totals = reconciler_->overview(Clock::now()).totals;
  const std::string netns = std::to_string(totals.netns);
  const std::string settings = std::to_string(totals.settings);
  const std::string compliant = std::to_string(totals.compliant);
  const LogLevel level = swept_ ? LogLevel::debug : LogLevel::info;
  parts_.log.write(level, swept_ ? "sweep done" : "first sweep done",
                   {{"trigger", to_string(trigger_)}, {"netns", netns}, {"settings", settings}, {"compliant", compliant}});
  if (!std::exchange(swept_, true) || trigger_ == Trigger::reload) {
    unsettled_ = Clock::now() + settling;
  } else if (!unsettled_) {
    parts_.service.ready(service_status(totals), Clock::now());
  }
  review_policies(Clock::now());
}

void Loop::review_policies(Time now) {
  for (const Useless& useless : review_.look(useless_now(*reconciler_, now), now)) {
    if (useless.key.empty()) {
      parts_.log.warn("this policy has matched no netns for an hour", {{"policy", useless.policy}});
    } else if (const auto meant = meant_key(useless.key)) {
      const std::string remedy = fmt::format("did you mean {}?", *meant);
      parts_.log.warn("no netns has this sysctl", {{"policy", useless.policy}, {"key", useless.key}, {"remedy", remedy}});
    } else {
      parts_.log.warn("no netns has this sysctl", {{"policy", useless.policy}, {"key", useless.key}});
    }
  }
}

void Loop::see_to_what_is_due(Time now) {
  if (const auto pending = reconciler_->pending_due(); pending && now >= *pending) reconciler_->look_pending(now);
  reconciler_->retry(now);
  see_to_writes(now);
  see_to_links(now);
  if (now >= next_sweep_ && !sweep_open_) begin_sweep(Trigger::interval, now);
  if (mounts_changed_ && now >= last_full_listing_ + full_listing_gap) list(Detail::full, now);
}

void Loop::work(Time now) {
  if (reconciler_->work()) {
    do reconciler_->step(step_cost, Clock::now());
    while (reconciler_->work() && Clock::now() - now < slice_time);
  }
  if (!sweep_open_) return;
  sweep_time_ += Clock::now() - now;
  tell_reports();
  // An event may have ended it: what is urgent is stepped through as soon as it is read.
  if (reconciler_->sweeping()) return;
  sweep_open_ = false;
  finish_sweep();
  restorer_.look(*reconciler_, Clock::now());
}

void Loop::see_to_commands() {
  // Should something fail before the first sweep is done, it begins anew, and so do its commands: none may have run by then.
  if (!swept_) return;
  const auto before = std::pair(commands_.queued(), commands_.running());
  commands_.start();
  watch_commands();
  dirty_ = dirty_ || before != std::pair(commands_.queued(), commands_.running());
}

void Loop::tell_reports() {
  const Time now = Clock::now();
  for (const Report& report : reconciler_->take_reports()) {
    report_log_.record(report, *policies_, now, unix_time());
    commands_.take(report);
    restorer_.take(report, *policies_);
    dirty_ = true;
  }
}

/// Parses first, swaps whole; a broken file changes nothing but what is said of it. Empty, or why not.
std::string Loop::reload(Time now) {
  reload_due_ = true;  // until it is done: what fails half-way is asked for again by begin_again()
  parts_.service.reloading(now);
  auto loaded = reload_configuration(parts_.options.config, configuration_);
  dirty_ = true;
  if (const auto* none = std::get_if<RefusedConfig>(&loaded)) {
    config_.error = none->lines.front();
    config_.failed_seconds = unix_time();
    parts_.metrics.reloaded(false);
    std::string verdict;
    for (const std::string& line : none->lines) {
      parts_.log.error("configuration refused; the last good one stays in force", {{"problem", line}});
      verdict += line + '\n';
    }
    events_.reloaded(unix_time(), verdict);
    if (ready_ && !unsettled_) parts_.service.ready(service_status(reconciler_->overview(now).totals), Clock::now());
    path_watcher_.watch(none->named);
    reload_due_ = false;
    return verdict;
  }
  tell_reports();  // made under the policies that go
  const std::string dropped = dropped_by(configuration_.config, std::get<LoadedConfig>(loaded).config);
  configuration_ = std::get<LoadedConfig>(std::move(loaded));
  config_ = {configuration_.source, configuration_.hash, unix_time(), {}, 0, parts_.options.audit};
  policies_ = compile(configuration_.config, parts_.options);
  reconciler_->set_policies(policies_);
  restorer_.policies_changed();
  parts_.metrics.reloaded(true);
  events_.reloaded(unix_time(), {});
  use_configuration("configuration reloaded");
  if (!dropped.empty()) parts_.log.warn("the configuration no longer has all that it had", {{"dropped", dropped}});
  if (netns_directories(parts_.options.config, configuration_.config) != directories_) {
    parts_.log.warn("netns_dirs has changed; that takes a restart");
  }
  begin_sweep(Trigger::reload, now);
  reload_due_ = false;
  return {};
}

void Loop::use_configuration(std::string_view message) {
  parts_.metrics.know(*policies_);
  path_watcher_.watch(configuration_.named);
  reconciler_->damp_by(damping(parts_.options.config, configuration_.config));
  commands_.use(policies_, command_timeout(parts_.options.config, configuration_.config));
  netns_watcher_.ask_for(policies_->event_bits());
  std::unordered_set<std::string> names;
  std::vector<std::string> globs;
  for (const KeyPattern& key : policies_->keys()) {
    std::string name = key.path().substr(key.path().rfind('/') + 1);
    if (key.exact() == nullptr && name.find_first_of("*?[") != std::string::npos) globs.push_back(name);
    names.insert(std::move(name));
  }
  sysctl_watcher_.watch_names(std::move(names), std::move(globs));
  parts_.catalog.tell_links_to(policies_->names_interfaces() ? &link_watcher_ : nullptr);
  parts_.catalog.serve(kinds_of_names(*policies_));
  tell_configuration(message);
  look_for_hindrances();
}

void Loop::tell_configuration(std::string_view message) {
  std::size_t settings = 0;
  bool conntrack = false;
  for (const auto& policy : configuration_.config.policies) {
    settings += policy.sysctls.size();
    for (const auto& setting : policy.sysctls) {
      conntrack = conntrack || setting.key.path().starts_with("netfilter/nf_conntrack");
    }
  }
  const std::string policies_text = std::to_string(configuration_.config.policies.size());
  const std::string settings_text = std::to_string(settings);
  parts_.log.info(message, {{"source", configuration_.source}, {"policies", policies_text}, {"settings", settings_text}});
  if (configuration_.config.form == Config::Form::older) {
    parts_.log.info("the file has the older form: its commands are run, but it wants no sysctls, so that no drift can be shown",
                    {{"remedy", "write the settings as native policies with sysctls"}});
  }
  // Kernel fact 38: a module that is not loaded looks like a key that does not exist.
  if (conntrack && read_file(in_procfs("sys/net/netfilter/nf_conntrack_max"), 4096).ok()) return;
  if (conntrack) {
    parts_.log.warn("nf_conntrack is not loaded, so its sysctls are missing in every netns; they are set as soon as it is",
                    {{"remedy", "modprobe nf_conntrack"}});
  }
}

}  // namespace nswarden
