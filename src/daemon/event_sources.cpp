// SPDX-License-Identifier: Apache-2.0
#include "daemon/event_sources.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <unordered_set>

#include <nswarden/base/text.hpp>
#include <nswarden/netns/mount_propagation.hpp>
#include <nswarden/os/procfs.hpp>

namespace nswarden {
namespace {

SourceSnapshot source_of(const char* name, const Result<void>& state, const char* remedy) {
  if (state) return {name, true, {}};
  return {name, false, text_of(state.error(), remedy) + "; until then only sweeps find changes"};
}

/// `problem`: why the source is down; if empty, `polled` decides.
SourceSnapshot polled_source(const char* name, std::string problem, const Result<void>& polled) {
  if (problem.empty() && !polled) problem = std::string(polled.error().attempt) + "; the daemon retries";
  return {name, problem.empty(), problem};
}

}  // namespace

EventSources::EventSources(Parts parts, std::vector<std::string> directories, std::string configuration)
    : parts_(parts),
      directories_(std::move(directories)),
      configuration_(std::move(configuration)),
      netns_(directories_),
      writes_(parts.catalog.sysctl_files()) {}

void EventSources::watch_always(int fd, Wake token) {
  const auto added = poller_.add(fd, POLLIN, static_cast<std::uint64_t>(token));
  if (!added) throw std::system_error(added.error().code, std::generic_category(), "cannot wait for signals");
}

void EventSources::use(const PolicySet& policies) {
  netns_.request_events(policies.event_bits());
  std::unordered_set<std::string> names;
  std::vector<std::string> globs;
  for (const KeyPattern& key : policies.keys()) {
    std::string name(last_component(key.path()));
    if (key.exact() == nullptr && name.find_first_of("*?[") != std::string::npos) globs.push_back(name);
    names.insert(std::move(name));
  }
  writes_.watch_names(std::move(names), std::move(globs));
  parts_.catalog.set_link_watcher(policies.names_interfaces() ? &links_ : nullptr);
}

bool EventSources::follow_directories(bool replaced) {
  replaced = netns_.rearm() || replaced;
  if (replaced) {
    parts_.instance_lock.update_locks(parts_.log);
    check_visibility();
  }
  watch();
  return replaced;
}

bool EventSources::rearm() {
  if (netns_.rearm()) {
    mounts_changed_ = true;
    parts_.instance_lock.update_locks(parts_.log);
  }
  (void)writes_.rearm();  // a sweep follows
  if (links_.rearm()) parts_.reconciler.on_links_lost();
  const bool other_configuration = parts_.files.rearm();
  watch();
  return other_configuration;
}

Result<void> EventSources::poll(int fd, std::uint32_t events, Wake token) {
  if (fd < 0) return {};
  auto added = poller_.add(fd, events, static_cast<std::uint64_t>(token));
  if (!added) {
    parts_.log.limited("poll", LogLevel::error, "cannot poll event source", {{"error", error_text(added.error().code)}});
  }
  return added;
}

void EventSources::watch_commands(std::pair<int, int> fds) {
  (void)poll(fds.first, POLLIN, Wake::commands);
  (void)poll(fds.second, POLLIN, Wake::commands);
}

void EventSources::watch() {
  const auto both = [](const Result<void>& opened, const Result<void>& polled) { return opened ? polled : opened; };
  const auto inotify = both(netns_.inotify_state(), poll(netns_.inotify_fd(), POLLIN, Wake::directories));
  const auto mounts = both(netns_.mounts_state(), poll(netns_.mounts_fd(), POLLPRI, Wake::mounts));
  // The call that starts polling consumes any earlier change of the mount table, which is never reported.
  if (!std::exchange(mounts_polled_, mounts.ok())) mounts_changed_ = true;
  watch_writes();
  watch_links();
  (void)poll(parts_.files.fd(), POLLIN, Wake::files);
  report_files();
  parts_.publisher.set_source_state(
      source_of("inotify", inotify, "raise fs.inotify.max_user_watches or fs.inotify.max_user_instances"));
  SourceSnapshot mount = source_of("mount", mounts, "make /proc/thread-self/mountinfo readable");
  if (mount.up && !netns_problem_.empty()) mount = {"mount", false, netns_problem_};
  parts_.publisher.set_source_state(std::move(mount));
}

void EventSources::watch_writes() {
  const auto polled = writes_paused_ ? Result<void>() : poll(writes_.fd(), POLLIN, Wake::writes);
  SourceSnapshot source = polled_source("sysctl", writes_.problem(), polled);
  if (source.up && !writes_problem_.empty()) source = {"sysctl", false, writes_problem_};
  parts_.publisher.set_source_state(std::move(source));
}

void EventSources::watch_links() {
  const auto polled = links_paused_ ? Result<void>() : poll(links_.fd(), POLLIN, Wake::links);
  SourceSnapshot source = polled_source("netlink", links_.problem(), polled);
  parts_.reconciler.set_link_reports_complete(source.up);
  parts_.publisher.set_source_state(std::move(source));
}

void EventSources::pause_writes(bool pause) {
  writes_paused_ = pause;
  if (pause) return poller_.remove(writes_.fd());
  watch_writes();
}

void EventSources::pause_links(bool pause) {
  links_paused_ = pause;
  if (pause) return poller_.remove(links_.fd());
  watch_links();
}

/// No error reports that netns of other processes never appear here (kernel fact 9).
void EventSources::check_visibility() {
  const std::string first_process = in_procfs("1");
  const auto is_unseen = [&](const std::string& directory) {
    return outside_mounts(directory, first_process) == OutsideMounts::invisible;
  };
  const auto found = std::find_if(directories_.begin(), directories_.end(), is_unseen);
  std::string problem;
  if (found != directories_.end()) {
    problem = fmt::format(
        "mounts of other processes in {} do not propagate to the daemon; run it in the host's mount namespace, or mount the "
        "directory with slave propagation (rslave, HostToContainer)",
        *found);
  }
  const bool hides_writes = std::any_of(directories_.begin(), directories_.end(), [&](const std::string& directory) {
    return is_shared_with_container(directory, first_process);
  });
  writes_problem_ =
      hides_writes
          ? fmt::format(
                "{} is the container's own procfs, so writes of other processes are not visible; mount the host's /proc, for "
                "example at /host/proc, and set --path.procfs",
                procfs())
          : std::string();
  if (problem == std::exchange(netns_problem_, problem) || problem.empty()) return;
  parts_.log.error("new netns are not visible to the daemon", {{"reason", problem}});
}

/// An absent default file, or its absent directory, is not a failure.
void EventSources::report_files() {
  const auto state = parts_.files.state();
  const int error = state || state.error().code == ENOENT ? 0 : state.error().code;
  if (std::exchange(files_error_, error) == error || error == 0) return;
  parts_.log.warn("cannot watch configuration file, changes are found by the sweep",
                  {{"file", configuration_}, {"error", error_text(error)}});
}

}  // namespace nswarden
