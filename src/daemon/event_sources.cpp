// SPDX-License-Identifier: Apache-2.0
// The part of Loop that takes events: each only says "look again".
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <system_error>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/netns/mount_propagation.hpp>
#include <nswarden/os/privilege.hpp>
#include <nswarden/os/procfs.hpp>
#include <nswarden/policy/inotify_events.hpp>
#include "daemon/loop.hpp"
#include "daemon/loop_tokens.hpp"

namespace nswarden {
namespace {

using Clock = std::chrono::steady_clock;

SourceSnapshot source_of(const char* name, const Result<void>& state, const char* remedy) {
  if (state) return {name, true, {}};
  return {name, false,
          fmt::format("{}: {}; {}; until then the sweep alone finds changes", state.error().attempt,
                      error_text(state.error().code), remedy)};
}

}  // namespace

void Loop::watch_loop() {
  // Without these nothing would end it or reload it.
  for (const auto& [fd, token] : {std::pair(parts_.signals.fd(), signals_token), std::pair(parts_.waker.fd(), waker_token),
                                  std::pair(slow_writer_.fd(), slow_writes_token)}) {
    const auto added = poller_.add(fd, POLLIN, token);
    if (!added) throw std::system_error(added.error().code, std::generic_category(), "cannot wait for signals");
  }
}

void Loop::take_event(std::uint64_t token) {
  switch (token) {
    case signals_token: take_signals(); break;
    case inotify_token: take_directory_events(); break;
    case mounts_token: take_mount_event(); break;
    case config_token:
      if (parts_.config_watcher.read_changed()) reload(Clock::now());
      break;
    case paths_token:
      if (path_watcher_.read_changed()) reload(Clock::now());
      break;
    case waker_token:
      if (!parts_.waker.read() || !parts_.desk.take()) break;
      desk_waits_ = true;
      answer_desk(reload(Clock::now()));
      break;
    case commands_token:
      commands_.take_results();
      dirty_ = true;
      break;
    case writes_token: take_writes(); break;
    case slow_writes_token: take_slow_writes(); break;
    case links_token: take_links(); break;
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
  for (const DirectoryEvent& event : netns_watcher_.read()) {
    switch (event.what) {
      case DirectoryEvent::What::entry:
        for (const std::string_view name : inotify_event_names(event.mask)) {
          parts_.metrics.event("inotify", name);
          parts_.log.debug("inotify event", {{"event", name}, {"name", event.name}});
        }
        commands_.take_event(event.directory, event.name, event.mask);
        if (!event.name.empty()) reconciler_->touch(event.directory, event.name, Clock::now());
        break;
      case DirectoryEvent::What::directory:
        for (const std::string_view name : inotify_event_names(event.mask)) parts_.metrics.event("inotify", name);
        commands_.take_event(event.directory, {}, event.mask);
        relist = true;
        break;
      case DirectoryEvent::What::overflow:
        commands_.take_event(event.directory, {}, event.mask);
        lost = true;
        break;
    }
  }
  if (relist) {
    netns_watcher_.rearm();
    parts_.instance_lock.look_again(parts_.log);
    look_at_propagation();
    watch_sources();
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
  reconciler_->look_pending(now);
  const bool replaced = netns_watcher_.rearm();
  if (replaced) parts_.instance_lock.look_again(parts_.log);
  if (replaced) look_at_propagation();
  watch_sources();  // before the list, so that nothing falls between
  if (replaced) list(Detail::full, now);
  dirty_ = true;
}

/// True when the configuration file is found to be another one.
bool Loop::rearm() {
  if (netns_watcher_.rearm()) {
    mounts_changed_ = true;
    parts_.instance_lock.look_again(parts_.log);
  }
  (void)sysctl_watcher_.rearm();  // a sweep follows
  if (link_watcher_.rearm()) reconciler_->lost_links();
  const bool other_path = path_watcher_.rearm();
  const bool other_file = parts_.config_watcher.rearm() || other_path;
  watch_sources();
  return other_file;
}

Result<void> Loop::watch(int fd, std::uint32_t events, std::uint64_t token) {
  if (fd < 0) return {};
  auto added = poller_.add(fd, events, token);
  if (!added) {
    parts_.log.limited("poll", LogLevel::error, "cannot wait for an event source", {{"error", error_text(added.error().code)}});
  }
  return added;
}

/// Others than before once a command has been started.
void Loop::watch_commands() {
  const auto [results, requests] = commands_.fds();
  (void)watch(results, POLLIN, commands_token);
  (void)watch(requests, POLLIN, commands_token);
}

/// An fd that is there already just stays; one that came with rearm() is polled from now on.
void Loop::watch_sources() {
  const auto both = [](const Result<void>& opened, const Result<void>& polled) { return opened ? polled : opened; };
  const auto inotify = both(netns_watcher_.inotify_state(), watch(netns_watcher_.inotify_fd(), POLLIN, inotify_token));
  const auto mounts = both(netns_watcher_.mounts_state(), watch(netns_watcher_.mounts_fd(), POLLPRI, mounts_token));
  // A change of the mount table before it is polled is never told: the call that begins to poll it takes it away.
  if (!std::exchange(mounts_polled_, mounts.ok())) mounts_changed_ = true;
  watch_writes();
  watch_links();
  (void)watch(parts_.config_watcher.fd(), POLLIN, config_token);
  (void)watch(path_watcher_.fd(), POLLIN, paths_token);
  tell_config_watch();
  tell_source(source_of("inotify", inotify, "raise fs.inotify.max_user_watches or fs.inotify.max_user_instances"));
  SourceSnapshot mount = source_of("mount", mounts, "make /proc/thread-self/mountinfo readable");
  if (mount.up && !unseen_.empty()) mount = {"mount", false, unseen_};
  tell_source(std::move(mount));
}

/// Nothing else would ever tell that netns which others make never appear here (kernel fact 9).
void Loop::look_at_propagation() {
  const std::string first_process = in_procfs("1");
  const auto is_unseen = [&](const std::string& directory) {
    return outside_mounts(directory, first_process) == OutsideMounts::unseen;
  };
  const auto found = std::find_if(directories_.begin(), directories_.end(), is_unseen);
  std::string unseen;
  if (found != directories_.end()) {
    unseen = fmt::format(
        "netns that others make in {} are mounted where this process does not see them; run it in the host's mount "
        "namespace, or with slave propagation (rslave, HostToContainer) of that directory",
        *found);
  }
  const bool deaf = std::any_of(directories_.begin(), directories_.end(),
                                [&](const std::string& directory) { return is_lent_to_container(directory, first_process); });
  deaf_ = deaf ? fmt::format(
                     "{}: the container's own procfs, so writes of others are not seen; mount the host's /proc, such as at "
                     "/host/proc, and name it by --path.procfs",
                     procfs())
               : std::string();
  if (unseen == std::exchange(unseen_, unseen) || unseen.empty()) return;
  parts_.log.error("netns made from now on will not be seen", {{"reason", unseen}});
}

/// Nothing of it can be mended without a restart, but a policy that writes may come.
void Loop::look_for_hindrances() {
  const auto policies = policies_->policies();
  const bool writes =
      std::any_of(policies.begin(), policies.end(), [](const auto& policy) { return policy.mode == Mode::enforce; });
  if (!writes || !hindrances_.empty()) return;
  hindrances_ = hindrances();
  for (const std::string& hindrance : hindrances_) parts_.log.error("settings cannot be set", {{"reason", hindrance}});
}

void Loop::tell_source(SourceSnapshot now) {
  auto known = std::find_if(sources_.begin(), sources_.end(), [&](const auto& source) { return source.name == now.name; });
  const bool was_up = known == sources_.end() || known->up;
  if (known == sources_.end()) known = sources_.insert(sources_.end(), SourceSnapshot{});
  if (was_up && !now.up) parts_.log.warn("event source is down", {{"source", now.name}, {"reason", now.reason}});
  if (!was_up && now.up) parts_.log.info("event source is up again", {{"source", now.name}});
  dirty_ = dirty_ || known->up != now.up;
  *known = std::move(now);
}

/// The absence of the default file is no fault, and neither is that of its directory.
void Loop::tell_config_watch() {
  const auto state = parts_.config_watcher.state() ? path_watcher_.state() : parts_.config_watcher.state();
  const int error = state || state.error().code == ENOENT ? 0 : state.error().code;
  if (std::exchange(config_watch_error_, error) == error || error == 0) return;
  parts_.log.warn("changes of the configuration file are only noticed by the sweep",
                  {{"file", configuration_path(parts_.options.config)}, {"error", error_text(error)}});
}

}  // namespace nswarden
