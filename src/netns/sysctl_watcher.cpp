// SPDX-License-Identifier: Apache-2.0
#include <nswarden/netns/sysctl_watcher.hpp>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include <nswarden/base/text.hpp>
#include <nswarden/netns/mount_propagation.hpp>
#include <nswarden/os/file.hpp>
#include <nswarden/os/procfs.hpp>
#include <nswarden/policy/key_pattern.hpp>
#include "netns/fanotify_buffer.hpp"

namespace nswarden {

namespace {

// FAN_REPORT_FD_ERROR is newer than the headers of Debian 12.
constexpr unsigned report_fd_error = 0x2000;
constexpr std::size_t max_events = 64;
// The daemon's own events carry no news, and a visit to a netns with thousands of settings causes hundreds. Events of other
// processes must not wait behind them.
constexpr std::size_t max_own_events = 1024;
// A process that writes in a tight loop causes the next event while one is read. So each read takes few events, and the first
// event that repeats an earlier one ends the batch.
constexpr std::size_t events_per_read = 2;
constexpr std::size_t event_without_pidfd = sizeof(fanotify_event_metadata);
constexpr std::size_t event_with_pidfd = event_without_pidfd + sizeof(fanotify_event_info_pidfd);

const char* remedy_for(int error) {
  switch (error) {
    case EPERM: return "grant CAP_SYS_ADMIN in the host's user namespace";
    case ENOSYS: return "use a kernel with CONFIG_FANOTIFY, and allow fanotify_init in the seccomp filter";
    case EMFILE: return "raise fs.fanotify.max_user_groups or the limit of open files";
    case ENOSPC: return "raise fs.fanotify.max_user_marks";
    case EINVAL: return "use Linux 4.20 or later";
    case ENOENT: return "mount a procfs there";
    default: return "the daemon retries";
  }
}

/// The file's netns, interface or process is gone: there is nothing left to check.
bool is_gone(int error) { return error == ENOENT || error == ESRCH; }

/// The path in the daemon's mount namespace or, for a write in another mount namespace, the path below the mount used for the
/// write. Only a hint, because the writer may have made those mounts (kernel fact 53). Also empty if it is too long.
std::string path_of(const Fd& file) { return target_of_link(path_of_fd(file.get())); }

std::string_view name_of(std::string_view path) {
  constexpr std::string_view unlinked = " (deleted)";
  if (path.ends_with(unlinked)) path.remove_suffix(unlinked.size());
  return last_component(path);
}

/// "/proc/PID/..."
bool is_process_path(std::string_view path) {
  constexpr std::string_view proc = "/proc/";
  return path.starts_with(proc) && path.size() > proc.size() && path[proc.size()] >= '1' && path[proc.size()] <= '9';
}

/// Whether `path` leads to this file in the daemon's mount namespace, without a symbolic link in the path.
bool leads_to(const std::string& path, const struct stat& expected) {
  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  const Fd file(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  struct stat status {};
  return file && ::fstat(file.get(), &status) == 0 && status.st_ino == expected.st_ino && status.st_dev == expected.st_dev;
}

}  // namespace

struct SysctlWatcher::Batch {
  struct Origin {
    std::uint64_t inode = 0;
    std::int64_t pid = 0;
    friend bool operator==(const Origin&, const Origin&) = default;
  };

  /// The kernel merges writes of a process to a file into one event until it is read. The next event is therefore a new write.
  void add(const Origin& origin) {
    repeats = repeats || std::find(origins.begin(), origins.end(), origin) != origins.end();
    origins.push_back(origin);
  }

  SysctlWrites found;
  std::vector<Origin> origins;
  std::size_t own = 0;  ///< events of the daemon itself
  bool repeats = false;
};

/// An event that owns the fds opened by the kernel.
struct SysctlWatcher::Event {
  RawFanotifyEvent raw;
  Fd file;
  Fd process;
};

SysctlWatcher::SysctlWatcher(SysctlFiles& files) : files_(files) { rearm(); }

bool SysctlWatcher::rearm() {
  if (fanotify_) return false;
  const ProcfsOrigin origin = procfs_origin(in_procfs("sys/net"), in_procfs("1"));
  visibility_unknown_ = origin == ProcfsOrigin::unknown;
  if (origin == ProcfsOrigin::own) {
    problem_ = procfs() +
               " is not the procfs of process 1, so writes of other processes are not visible; remove ProtectKernelTunables, "
               "ProtectControlGroups and ProtectProc from the systemd unit; in a container, mount the host's /proc and set "
               "--path.procfs";
    return false;
  }
  const Result<void> opened = open();
  problem_ = opened ? std::string() : text_of(opened.error(), remedy_for(opened.error().code));
  return opened.ok();
}

void SysctlWatcher::watch_names(std::unordered_set<std::string> names, std::vector<std::string> globs) {
  names_ = std::move(names);
  globs_ = std::move(globs);
}

bool SysctlWatcher::is_watched(const std::string& name) const {
  return names_.contains(name) ||
         std::any_of(globs_.begin(), globs_.end(), [&name](const std::string& glob) { return matches_glob(glob, name); });
}

Result<void> SysctlWatcher::open() {
  constexpr unsigned basics = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK;
  constexpr std::array<unsigned, 3> flag_sets{FAN_REPORT_PIDFD | report_fd_error, FAN_REPORT_PIDFD, 0};  // Linux 6.13, 5.15
  Fd group;
  unsigned granted = 0;
  for (const unsigned flags : flag_sets) {
    group.reset(::fanotify_init(basics | flags, O_RDONLY | O_LARGEFILE | O_CLOEXEC));
    granted = flags;
    if (group || errno != EINVAL) break;
  }
  if (!group) return Error{errno, "fanotify_init"};
  const std::string watched = in_procfs("sys/net");  // any of its files selects the whole file system
  if (::fanotify_mark(group.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY, AT_FDCWD, watched.c_str()) != 0) {
    return Error{errno, "fanotify_mark"};
  }
  event_size_ = (granted & FAN_REPORT_PIDFD) != 0 ? event_with_pidfd : event_without_pidfd;
  reports_failed_opens_ = (granted & report_fd_error) != 0;
  fanotify_ = std::move(group);
  return {};
}

SysctlWrites SysctlWatcher::read() {
  Batch batch;
  SysctlWrites& found = batch.found;
  if (!fanotify_) return {};
  alignas(fanotify_event_metadata) std::array<char, events_per_read * event_with_pidfd>
      bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  // Before Linux 6.13, the kernel discards an event whose file cannot be opened. The read fails only if that event is the first
  // (kernel fact 15).
  const std::size_t at_once = reports_failed_opens_ ? events_per_read : 1;
  std::size_t taken = 0;
  std::size_t failed_reads = 0;
  int error = 0;
  while (taken - batch.own < max_events && batch.own < max_own_events && !batch.repeats) {
    const ssize_t size = ::read(fanotify_.get(), bytes.data(), at_once * event_size_);
    if (size == 0 || (size < 0 && errno == EAGAIN)) break;
    if (size < 0) {
      error = errno;
      found.lost = found.lost || !is_gone(error);
      ++failed_reads;
      ++taken;
      continue;
    }
    const std::size_t count = parse_events({bytes.data(), static_cast<std::size_t>(size)}, batch);
    taken += count;
    if (reports_failed_opens_ && count < at_once) break;
  }
  found.more = taken - batch.own >= max_events || batch.own >= max_own_events;
  if (failed_reads == max_events && !is_gone(error)) {
    // A lasting error: the watcher goes down to report it, because further polling would wake the loop again and again.
    problem_ = text_of({error, "read fanotify events"}, remedy_for(error));
    fanotify_.reset();
    found.more = false;
  }
  return std::move(batch.found);
}

/// Returns the number of events taken.
std::size_t SysctlWatcher::parse_events(std::span<const char> bytes, Batch& batch) {
  // All events get owners for their fds first, because classify() may throw.
  std::array<Event, events_per_read> events;
  std::size_t count = 0;
  FanotifyBuffer buffer(bytes);
  while (count < events.size()) {
    const std::optional<RawFanotifyEvent> raw = buffer.next();
    if (!raw) break;
    events[count].raw = *raw;
    events[count].file.reset(raw->fd);
    events[count].process.reset(raw->pidfd);
    ++count;
  }
  if (!buffer.empty()) batch.found.lost = true;
  for (Event& event : std::span(events).first(count)) classify(event, batch);
  return std::max(count, std::size_t{1});
}

void SysctlWatcher::classify(Event& event, Batch& batch) {
  SysctlWrites& found = batch.found;
  if ((event.raw.mask & FAN_Q_OVERFLOW) != 0) {
    found.lost = true;
    return;
  }
  if (event.raw.pid == ::getpid()) {
    ++batch.own;
    return;
  }
  found.foreign = true;
  struct stat status {};
  int error = event.file ? 0 : -event.raw.fd;
  if (event.file && ::fstat(event.file.get(), &status) != 0) error = errno;
  if (error != 0) {
    found.lost = found.lost || !is_gone(error);
    return;
  }
  batch.add({status.st_ino, event.raw.pid});
  SysctlWrite write{status.st_ino, files_.find(status.st_ino), {}, event.raw.pid, std::move(event.process)};
  if (!write.place) {
    const std::string path = path_of(event.file);
    write.name = name_of(path);
    if (path.empty()) {
      found.lost = true;  // its name is hidden
      return;
    }
    if (!is_watched(write.name)) {
      if (is_process_path(path) && leads_to(path, status)) ignore(event.file);
      return;
    }
    files_.add_unknown_inode(write.inode, write.name);
  }
  found.writes.push_back(std::move(write));
}

/// Suppresses further events of a file as long as its inode lives, so that a process that keeps writing its own /proc/PID/comm
/// costs nothing. The mark pins nothing (kernel fact 45). Never applied to a sysctl: the path depends on the writer's mounts
/// (fact 53), so it counts only if it leads to the same file in the daemon's mount namespace, and without links, which lead
/// into the writer's.
void SysctlWatcher::ignore(const Fd& file) {
  if (!can_ignore_) return;
  constexpr unsigned flags = FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_EVICTABLE;
  if (::fanotify_mark(fanotify_.get(), flags, FAN_MODIFY, file.get(), nullptr) != 0 && errno == EINVAL) can_ignore_ = false;
}

}  // namespace nswarden
