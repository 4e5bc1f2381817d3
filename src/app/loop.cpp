// SPDX-License-Identifier: Apache-2.0
#include "app/loop.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <system_error>
#include <utility>

#include <nswarden/os/file.hpp>

namespace nswarden::app {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

enum Token : std::uint64_t { signals_token, inotify_token, mounts_token, config_token, waker_token };

// About 0.3 ms of reading: what an event may have to wait for while a sweep goes on.
constexpr std::size_t slice_cost = 256;
// Hosts mount all day (kernel fact 24): names that are bound are looked at again at most this often for it.
constexpr milliseconds full_listing_gap{1000};
constexpr milliseconds publish_gap{50};
constexpr std::size_t drift_cap = 200;

double unix_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::shared_ptr<const core::PolicySet> compile(const core::Config& config, const Options& options) {
  return std::make_shared<core::PolicySet>(
      config, options.audit ? core::PolicySet::Audit::everything : core::PolicySet::Audit::as_configured);
}

std::string_view to_string(Trigger trigger) {
  switch (trigger) {
    case Trigger::startup: return "startup";
    case Trigger::interval: return "interval";
    case Trigger::reload: return "reload";
    case Trigger::lost: return "lost";
  }
  return "";
}

}  // namespace

Loop::Loop(Parts parts, Configuration configuration, std::size_t fd_budget)
    : parts_(parts),
      configuration_(std::move(configuration)),
      directories_(netns_directories(parts.options, configuration_.config)),
      reconciler_(parts.catalog, compile(configuration_.config, parts.options), {directories_, fd_budget, true}),
      report_log_(parts.metrics, parts.log),
      netns_watcher_(directories_),
      config_watcher_(configuration_path(parts.options)),
      config_loaded_(unix_time()) {
  watch(parts_.signals.fd(), POLLIN, signals_token);
  watch(parts_.waker.fd(), POLLIN, waker_token);
  parts_.metrics.know(reconciler_.policies());
  tell_configuration("configuration loaded");
  rearm();
  publish(Clock::now());
}

void Loop::run() {
  begin_sweep(Trigger::startup, Clock::now());
  while (!stopping_) {
    for (const os::Poller::Ready& ready : poller_.wait(until_next(Clock::now()))) take_event(ready.token);
    see_to_what_is_due(Clock::now());
    work(Clock::now());
    tell_reports();
    if (dirty_ && Clock::now() >= next_publish_) publish(Clock::now());
    parts_.log.flush();
  }
  parts_.log.info("stopping");
}

std::chrono::nanoseconds Loop::until_next(Time now) const {
  if (reconciler_.work()) return std::chrono::nanoseconds(0);
  Time next = next_sweep_;
  if (const auto pending = reconciler_.pending_due()) next = std::min(next, *pending);
  if (mounts_changed_) next = std::min(next, last_full_listing_ + full_listing_gap);
  if (dirty_) next = std::min(next, next_publish_);
  return next - now;
}

void Loop::take_event(std::uint64_t token) {
  switch (token) {
    case signals_token: take_signals(); break;
    case inotify_token: take_directory_events(); break;
    case mounts_token: take_mount_event(); break;
    case config_token:
      if (config_watcher_.read_changed()) reload(Clock::now());
      break;
    case waker_token:
      if (parts_.waker.read() && parts_.desk.waiting()) parts_.desk.answer(reload(Clock::now()));
      break;
    default: break;
  }
}

void Loop::take_signals() {
  while (const auto signal = parts_.signals.read()) {
    if (*signal == SIGHUP) {
      reload(Clock::now());
    } else {
      stopping_ = true;
    }
  }
}

void Loop::take_directory_events() {
  bool lost = false;
  bool relist = false;
  for (const os::DirectoryEvent& event : netns_watcher_.read()) {
    switch (event.what) {
      case os::DirectoryEvent::What::entry:
        for (const std::string_view name : os::inotify_event_names(event.mask)) {
          parts_.metrics.event("inotify", name);
          parts_.log.debug("inotify event", {{"event", name}, {"name", event.name}});
        }
        reconciler_.touch(event.directory, event.name, Clock::now());
        break;
      case os::DirectoryEvent::What::directory: relist = true; break;
      case os::DirectoryEvent::What::overflow: lost = true; break;
    }
  }
  if (relist) {
    rearm();
    list(Detail::full, Clock::now());
  }
  if (lost) {
    parts_.metrics.overflow("inotify");
    parts_.log.limited("overflow", LogLevel::warn, "inotify events were lost; everything is listed again");
    mounts_changed_ = true;
    begin_sweep(Trigger::lost, Clock::now());
  }
  dirty_ = true;
}

/// No inotify event marks a mount (kernel fact 2): names that wait for one are looked at now, the others soon.
void Loop::take_mount_event() {
  parts_.metrics.event("mount", "change");
  mounts_changed_ = true;
  const Time now = Clock::now();
  reconciler_.look_pending(now);
  if (netns_watcher_.rearm()) list(Detail::full, now);
  dirty_ = true;
}

void Loop::rearm() {
  if (netns_watcher_.rearm()) mounts_changed_ = true;
  if (config_watcher_.rearm() && ready_) reload(Clock::now());
  watch_sources();
}

void Loop::watch(int fd, std::uint32_t events, std::uint64_t token) {
  if (fd < 0) return;
  if (const auto added = poller_.add(fd, events, token); !added) {
    parts_.log.limited("poll", LogLevel::error, "cannot wait for an event source",
                       {{"error", std::generic_category().message(added.error().code)}});
  }
}

/// An fd that is there already just stays; one that came with rearm() is polled from now on.
void Loop::watch_sources() {
  watch(netns_watcher_.inotify_fd(), POLLIN, inotify_token);
  watch(netns_watcher_.mounts_fd(), POLLPRI, mounts_token);
  watch(config_watcher_.fd(), POLLIN, config_token);
  tell_source("inotify", netns_watcher_.inotify_state(), "raise fs.inotify.max_user_watches or fs.inotify.max_user_instances");
  tell_source("mount", netns_watcher_.mounts_state(), "make /proc/thread-self/mountinfo readable");
}

void Loop::tell_source(std::string_view name, const core::Result<void>& state, const std::string& remedy) {
  SourceSnapshot now{std::string(name), state.ok(), {}};
  if (!state) {
    now.reason = fmt::format("{}: {}; {}; until then the sweep alone finds changes", state.error().attempt,
                             std::generic_category().message(state.error().code), remedy);
  }
  auto known = std::find_if(sources_.begin(), sources_.end(), [&](const auto& source) { return source.name == name; });
  const bool was_up = known == sources_.end() || known->up;
  if (known == sources_.end()) known = sources_.insert(sources_.end(), SourceSnapshot{});
  if (was_up && !now.up) parts_.log.warn("event source is down", {{"source", name}, {"reason", now.reason}});
  if (!was_up && now.up) parts_.log.info("event source is up again", {{"source", name}});
  dirty_ = dirty_ || known->up != now.up;
  *known = std::move(now);
}

void Loop::list(Detail detail, Time now) {
  const auto listed = reconciler_.list(detail, now);
  const int error = listed ? 0 : listed.error().code;
  if (std::exchange(listing_error_, error) != error && error != 0) {
    parts_.log.warn("cannot list a netns directory; what is known stays governed",
                    {{"error", std::generic_category().message(error)}});
  }
  if (detail == Detail::full) {
    last_full_listing_ = now;
    if (error == 0) mounts_changed_ = false;
  }
  dirty_ = true;
}

void Loop::begin_sweep(Trigger trigger, Time now) {
  rearm();
  // A name that is known can lead elsewhere only by a mount, and the mount table tells of each: without one, names are enough.
  const bool sure = !mounts_changed_ && netns_watcher_.mounts_state().ok();
  trigger_ = trigger;
  next_sweep_ = now + reconcile_interval(parts_.options, configuration_.config);
  reconciler_.begin_sweep();
  list(sure ? Detail::names : Detail::full, now);
  sweep_time_ = Clock::now() - now;
}

void Loop::finish_sweep() {
  parts_.metrics.reconciled(trigger_, sweep_time_);
  last_reconcile_ = unix_time();
  dirty_ = true;
  const core::Totals totals = reconciler_.overview(Clock::now()).totals;
  const std::string netns = std::to_string(totals.netns);
  const std::string settings = std::to_string(totals.settings);
  const std::string compliant = std::to_string(totals.compliant);
  const LogLevel level = ready_ ? LogLevel::debug : LogLevel::info;
  parts_.log.write(level, ready_ ? "sweep done" : "first sweep done",
                   {{"trigger", to_string(trigger_)}, {"netns", netns}, {"settings", settings}, {"compliant", compliant}});
  ready_ = true;
}

void Loop::see_to_what_is_due(Time now) {
  if (const auto pending = reconciler_.pending_due(); pending && now >= *pending) reconciler_.look_pending(now);
  if (now >= next_sweep_ && !reconciler_.sweeping()) begin_sweep(Trigger::interval, now);
  if (mounts_changed_ && now >= last_full_listing_ + full_listing_gap) list(Detail::full, now);
}

void Loop::work(Time now) {
  if (!reconciler_.work()) return;
  const bool sweeping = reconciler_.sweeping();
  reconciler_.step(slice_cost, now);
  if (!sweeping) return;
  sweep_time_ += Clock::now() - now;
  tell_reports();
  if (!reconciler_.sweeping()) finish_sweep();
}

void Loop::tell_reports() {
  const Time now = Clock::now();
  for (const core::Report& report : reconciler_.take_reports()) {
    report_log_.tell(report, reconciler_.policies(), now);
    dirty_ = true;
  }
}

/// Parses first, swaps whole; a broken file changes nothing but what is said of it. Empty, or why not.
std::string Loop::reload(Time now) {
  auto loaded = reload_configuration(parts_.options, configuration_);
  dirty_ = true;
  if (const auto* none = std::get_if<NoConfiguration>(&loaded)) {
    config_ok_ = false;
    parts_.metrics.reloaded(false);
    std::string verdict;
    for (const std::string& line : none->lines) {
      parts_.log.error("configuration refused; the last good one stays in force", {{"problem", line}});
      verdict += line + '\n';
    }
    return verdict;
  }
  tell_reports();  // made under the policies that go
  configuration_ = std::get<Configuration>(std::move(loaded));
  config_ok_ = true;
  config_loaded_ = unix_time();
  reconciler_.set_policies(compile(configuration_.config, parts_.options), now);
  parts_.metrics.know(reconciler_.policies());
  parts_.metrics.reloaded(true);
  tell_configuration("configuration reloaded");
  if (netns_directories(parts_.options, configuration_.config) != directories_) {
    parts_.log.warn("netns_dirs has changed; that takes a restart");
  }
  begin_sweep(Trigger::reload, now);
  return {};
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
  // Kernel fact 38: a module that is not loaded looks like a key that does not exist.
  if (conntrack && os::read_file("/proc/sys/net/netfilter/nf_conntrack_max", 4096).ok()) return;
  if (conntrack) {
    parts_.log.warn("nf_conntrack is not loaded, so its sysctls are missing in every netns; they are set as soon as it is",
                    {{"remedy", "modprobe nf_conntrack"}});
  }
}

void Loop::publish(Time now) {
  auto snapshot = std::make_shared<Snapshot>();
  const core::Overview overview = reconciler_.overview(now);
  snapshot->ready = ready_;
  snapshot->totals = overview.totals;
  snapshot->totals.fixed = report_log_.fixed();
  snapshot->totals.failed = report_log_.failed();
  const auto policies = reconciler_.policies().policies();
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const core::Overview::OfPolicy& counts = overview.policies[i];
    snapshot->policies.push_back({policies[i].name, counts.netns, counts.settings, counts.not_compliant, 0, counts.conflicts,
                                  policies[i].mode == core::Mode::enforce});
  }
  snapshot->netns_unmatched = overview.unmatched;
  snapshot->netns_pending = overview.pending;
  snapshot->bound_sysctls = overview.held_keys;
  snapshot->dirfd_sysctls = overview.directory_keys;
  snapshot->drift = reconciler_.findings(core::Reconciler::Which::not_compliant, drift_cap);
  const core::Totals& totals = overview.totals;
  snapshot->drift_hidden = totals.settings - totals.compliant - snapshot->drift.size();
  snapshot->sources = sources_;
  snapshot->config_ok = config_ok_;
  snapshot->config_loaded_seconds = config_loaded_;
  snapshot->last_reconcile_seconds = last_reconcile_;
  if (const auto stats = process_.read()) {
    snapshot->process = {stats->cpu_seconds,   stats->start_time_seconds, stats->resident_bytes,
                         stats->virtual_bytes, stats->open_fds,           stats->max_fds};
  }
  parts_.slot.publish(std::move(snapshot));
  dirty_ = false;
  next_publish_ = now + publish_gap;
}

}  // namespace nswarden::app
