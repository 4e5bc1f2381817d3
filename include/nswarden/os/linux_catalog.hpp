// SPDX-License-Identifier: Apache-2.0
// The real kernel behind core/kernel.hpp: netns by their entries in directories such as /run/netns, sysctls by fds that were
// opened inside and work from outside (kernel facts 5, 6, 11-14, 25). The only user of setns.
// Aborts the process only when its thread cannot return to its own netns. Loop thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nswarden/core/kernel.hpp>

namespace nswarden::os {

class SlowWriter;
class SysctlFiles;
struct CatalogShared;

class LinuxCatalog final : public core::NetnsCatalog {
 public:
  /// Throws std::system_error when /proc/sys/net or our own netns cannot be opened.
  explicit LinuxCatalog(std::vector<std::string> directories);
  ~LinuxCatalog() override;

  /// Whether this process may enter netns at all: EPERM without CAP_SYS_ADMIN.
  [[nodiscard]] core::Result<void> may_enter() const;

  /// Whether the netns of process 1 is surely refused. False when we are in another one and may not look at it (EACCES without
  /// CAP_SYS_PTRACE): then only the kernel's first netns is refused besides our own, and that only since Linux 6.18.
  [[nodiscard]] bool host_is_known() const;

  /// The files of all netns that it bound and that are bound still.
  [[nodiscard]] SysctlFiles& sysctl_files() const;

  /// From now on `writer` writes the keys that wait for RTNL. It outlives all that is bound from then on. When it has no
  /// room, such a write fails with EAGAIN.
  void write_slowly_by(SlowWriter& writer);

  core::Listing list(Detail detail) override;
  core::Entry look(std::uint16_t directory, std::string_view name) override;
  core::BindResult bind(std::uint16_t directory, std::string_view name, std::span<const Wish> keys, core::Tier tier) override;

 private:
  [[nodiscard]] bool is_host(std::uint64_t inode) const;
  core::Result<void> list_one(std::uint16_t index, Detail detail, std::vector<core::Entry>& entries) const;
  [[nodiscard]] std::string path_of(std::uint16_t directory, std::string_view name) const;

  std::shared_ptr<CatalogShared> shared_;  // with the netns it bound
  std::vector<std::string> directories_;
  std::size_t last_count_ = 0;  // of entries, so that the next list need not grow
};

}  // namespace nswarden::os
