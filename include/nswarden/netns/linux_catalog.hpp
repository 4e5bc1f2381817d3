// SPDX-License-Identifier: Apache-2.0
// LinuxCatalog implements engine/kernel.hpp on the real kernel: netns by their entries in directories such as /run/netns, that of the
// host, and those that only processes are in; sysctls by fds that were opened inside and work from outside (kernel facts 5, 6, 11-14,
// 25). The only user of setns. It keeps names, inode numbers and pids, and so no netns alive (kernel fact 5). Aborts the process when
// its thread cannot return to its own netns. One thread: the daemon's loop, or the main thread of a one-shot command.
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
  /// `links`: whether a symbolic link in a directory is ignored or followed. One whose target changed, without the link having been
  /// made anew, is found only by looking at it again: no event reports that. Throws std::system_error when /proc/sys/net or our own
  /// netns cannot be opened.
  LinuxCatalog(std::vector<NetnsSource> sources, Links links);
  explicit LinuxCatalog(const std::vector<std::string>& directories);
  ~LinuxCatalog() override;

  /// From now on only sources of these kinds have names, at first all. The host's netns can be bound only while `host` is one.
  void serve(std::vector<NameKind> kinds);

  /// Whether this process may enter netns at all: EPERM without CAP_SYS_ADMIN.
  [[nodiscard]] Result<void> may_enter() const;

  /// Whether the netns of process 1 is refused for certain. False when the daemon is in another one and may not look at it (EACCES
  /// without CAP_SYS_PTRACE): then only the kernel's first netns is refused besides its own, and that only since Linux 6.18.
  [[nodiscard]] bool host_is_known() const;

  /// The files of all netns that it bound and that are bound still.
  [[nodiscard]] SysctlFiles& sysctl_files() const;

  /// From now on `writer` writes the keys that wait for RTNL. It outlives all that is bound from then on. When it has no
  /// room, such a write fails with EAGAIN.
  void write_slowly_by(SlowWriter& writer);

  /// From now on `watcher`, if any, follows each netns that is bound. It outlives the catalog, or this is called again.
  void tell_links_to(LinkWatcher* watcher);

  [[nodiscard]] std::span<const NetnsSource> sources() const override { return sources_; }

  /// An error (EACCES) where the netns of the host is unknown, as host_is_known() says.
  Listing list(Detail detail) override;
  Entry look(std::uint16_t directory, std::string_view name) override;
  BindResult bind(std::uint16_t directory, std::string_view name, std::span<const Wish> keys, Tier tier) override;

 private:
  struct Found;
  using Opened = std::variant<Found, Refusal, Error>;

  [[nodiscard]] NameKind kind_of(std::uint16_t source) const { return sources_[source].kind; }
  [[nodiscard]] bool serves(NameKind kind) const;
  [[nodiscard]] bool is_host(std::uint64_t inode) const;
  [[nodiscard]] Result<NetnsPath> host() const;
  Result<void> list_one(std::uint16_t index, Detail detail, std::vector<Entry>& entries);
  Result<void> list_directory(std::uint16_t index, Detail detail, std::vector<Entry>& entries) const;
  /// Where the netns of that name may be found, the best first.
  [[nodiscard]] Result<std::vector<NetnsPath>> ways_to(std::uint16_t source, std::string_view name) const;
  /// Whether one that was found there is the one of that name: a process may have gone elsewhere.
  [[nodiscard]] bool is_meant(std::uint16_t source, std::string_view name, std::uint64_t inode) const;
  [[nodiscard]] Opened open(std::uint16_t source, std::string_view name) const;

  std::shared_ptr<CatalogShared> shared_;  // with the netns it bound
  std::vector<NetnsSource> sources_;
  std::vector<NameKind> kinds_{NameKind::entry, NameKind::host, NameKind::process};
  Links links_ = Links::refuse;
  std::unique_ptr<ProcessNetns> processes_;
  LinkWatcher* link_watcher_ = nullptr;
  std::size_t last_count_ = 0;  // of entries, so that the next list need not grow
};

}  // namespace nswarden
