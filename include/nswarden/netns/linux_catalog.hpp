// SPDX-License-Identifier: Apache-2.0
// LinuxCatalog implements engine/kernel.hpp on the real kernel. It finds netns by entries in directories such as /run/netns,
// the netns of the host, and netns known only through their processes. It accesses sysctls through fds opened inside a netns,
// which work from outside (kernel facts 5, 6, 11-14, 25). The only user of setns. It stores names, inode numbers and pids, and
// so keeps no netns alive (kernel fact 5). It aborts the process if its thread cannot return to its own netns. One thread: the
// daemon's loop, or the main thread of a one-shot command.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include <nswarden/policy/netns_name.hpp>

namespace nswarden {

class LinkWatcher;
class ProcessNetns;
class SlowWriter;
class SysctlFiles;
struct CatalogShared;
struct NetnsPath;

class LinuxCatalog final : public NetnsCatalog {
 public:
  /// `links`: whether to follow or ignore symbolic links in a directory. No event reports a changed target of an unchanged
  /// link; only another check finds it. Throws std::system_error if /proc/sys/net or the daemon's own netns cannot be opened.
  LinuxCatalog(std::vector<NetnsSource> sources, Links links);
  explicit LinuxCatalog(const std::vector<std::string>& directories);
  ~LinuxCatalog() override;

  /// Restricts names to sources of these kinds; initially all kinds have names. The host's netns can be bound only while `host`
  /// is among them.
  void enable_kinds(std::vector<NameKind> kinds);

  /// Whether this process may enter netns at all: EPERM without CAP_SYS_ADMIN.
  [[nodiscard]] Result<void> may_enter() const;

  /// Whether the netns of process 1 is always refused. False if the daemon is in another netns and may not identify process 1's
  /// (EACCES without CAP_SYS_PTRACE): then the catalog refuses only its own netns and, since Linux 6.18, the kernel's first
  /// netns.
  [[nodiscard]] bool host_is_known() const;

  /// The files of all currently bound netns.
  [[nodiscard]] SysctlFiles& sysctl_files() const;

  /// From now on `writer` writes the keys that wait for RTNL. It must outlive everything bound from then on. If its queue is
  /// full, such a write fails with EAGAIN.
  void set_slow_writer(SlowWriter& writer);

  /// From now on `watcher`, if set, follows each netns that is bound. It must outlive the catalog or the next call of this
  /// function.
  void set_link_watcher(LinkWatcher* watcher);

  [[nodiscard]] Links links() const { return links_; }
  [[nodiscard]] std::span<const NetnsSource> sources() const override { return sources_; }

  /// Error EACCES if the host's netns is unknown, see host_is_known().
  Listing list(Detail detail) override;
  Entry look_up(std::uint16_t directory, std::string_view name) override;
  BindResult bind(std::uint16_t directory, std::string_view name, std::span<const KeyRequest> keys, Tier tier) override;

 private:
  struct Found;
  using Opened = std::variant<Found, Refusal, Error>;

  [[nodiscard]] NameKind kind_of(std::uint16_t source) const { return sources_[source].kind; }
  [[nodiscard]] bool is_enabled(NameKind kind) const;
  [[nodiscard]] bool is_host(std::uint64_t inode) const;
  [[nodiscard]] Result<NetnsPath> host() const;
  Result<void> list_one(std::uint16_t index, Detail detail, std::vector<Entry>& entries);
  Result<void> list_directory(std::uint16_t index, Detail detail, std::vector<Entry>& entries) const;
  /// Paths that may lead to the netns of that name, the best first.
  [[nodiscard]] Result<std::vector<NetnsPath>> paths_to(std::uint16_t source, std::string_view name) const;
  /// Whether the netns found there has that name: a process may have moved to another netns.
  [[nodiscard]] bool is_named(std::uint16_t source, std::string_view name, std::uint64_t inode) const;
  [[nodiscard]] Opened open(std::uint16_t source, std::string_view name) const;

  std::shared_ptr<CatalogShared> shared_;  // shared with the netns it bound
  std::vector<NetnsSource> sources_;
  std::vector<NameKind> kinds_{NameKind::entry, NameKind::host, NameKind::process};
  Links links_ = Links::refuse;
  std::unique_ptr<ProcessNetns> processes_;
  LinkWatcher* link_watcher_ = nullptr;
  std::size_t last_count_ = 0;  // number of entries, reserved by the next list()
};

}  // namespace nswarden
