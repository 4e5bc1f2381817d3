// SPDX-License-Identifier: Apache-2.0
// Who wrote a setting: the writes that the kernel told of in this turn of the loop, and for each setting who made its last drift.
// Only a write to exactly the file of a setting names a writer: a side effect of another key, or a file that cannot be placed,
// names none. Loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nswarden/engine/report.hpp>
#include <nswarden/engine/writer.hpp>
#include <nswarden/netns/sysctl_files.hpp>
#include <nswarden/netns/sysctl_watcher.hpp>
#include <nswarden/report/snapshot.hpp>

namespace nswarden {

class Writers {
 public:
  /// describe_writer, but for tests.
  using Describe = std::function<Writer(std::int64_t pid, const Fd& pidfd, double time)>;

  /// Of one turn. Each may hold a pidfd, so there is an end; those before the last 64 are forgotten.
  static constexpr std::size_t max_writes = 64;
  /// Settings whose last writer is kept; the one that was named the longest ago goes.
  static constexpr std::size_t max_settings = 1000;

  /// `files` outlives it.
  Writers(const SysctlFiles& files, Describe describe) : files_(files), describe_(std::move(describe)) {}

  /// `seen`: Unix time in seconds.
  void take(std::vector<SysctlWrite> writes, double seen);
  /// Who made the writes of this turn to exactly this file, if it was one process: `netns` is the inode number of its nsfs file, `setting`
  /// an index into the keys that it was bound with. A process is looked at when it is first asked for, so that only writers of drifts
  /// cost, and those of files that cannot be placed yet.
  [[nodiscard]] KnownWriter writer_of(std::uint64_t netns, std::uint32_t setting);
  /// Forgets the writes that were placed. To be called when all that they told of has been visited and reported: a later drift is
  /// none of theirs. The others wait for a search to place them.
  void end_turn();
  void end_search() { writes_.clear(); }

  /// Who made the last drift of a setting; null forgets who made the one before.
  void remember(const std::string& netns, const std::string& key, KnownWriter writer);
  [[nodiscard]] KnownWriter last_writer(const std::string& netns, const std::string& key) const;
  /// A netns that comes under the same name is another one.
  void forget(const std::string& netns);

  /// Their `since` stays 0.
  [[nodiscard]] std::vector<DriftSnapshot> with_writers(std::vector<Finding> findings) const;

 private:
  struct SeenWrite {
    SysctlWrite write;
    double seen = 0;
    std::optional<KnownWriter> writer;  // none until it was asked for
  };
  using SettingName = std::pair<std::string, std::string>;  // netns label, name of the key
  struct LastWriter {
    KnownWriter writer;
    std::list<const SettingName*>::iterator age;  // in by_age_
  };
  using LastWriters = std::map<SettingName, LastWriter>;

  void forget(LastWriters::iterator known);
  KnownWriter described(SeenWrite& write);
  [[nodiscard]] bool is_of(const SysctlWrite& write, SysctlFiles::Place place) const;

  const SysctlFiles& files_;
  Describe describe_;
  std::deque<SeenWrite> writes_;
  LastWriters last_;
  std::list<const SettingName*> by_age_;  // keys of last_, the oldest first
};

}  // namespace nswarden
