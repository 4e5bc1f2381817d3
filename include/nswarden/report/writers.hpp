// SPDX-License-Identifier: Apache-2.0
// Identifies the writers of settings: the writes that the kernel reported in this turn of the loop, and the writer of the last
// drift of each setting. Only a write to exactly the file of a setting identifies a writer; a side effect of another key, or a
// file that cannot be placed, does not. Loop thread only.
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
  /// describe_writer, replaceable for tests.
  using Describe = std::function<Writer(std::int64_t pid, const Fd& pidfd, double time)>;

  /// Writes kept per turn. Each may hold a pidfd, so only the last 64 are kept.
  static constexpr std::size_t max_writes = 64;
  /// Settings with a known last writer; the least recently named one is dropped.
  static constexpr std::size_t max_settings = 1000;

  /// `files` outlives the object.
  Writers(const SysctlFiles& files, Describe describe) : files_(files), describe_(std::move(describe)) {}

  /// `seen`: Unix time in seconds.
  void add_writes(std::vector<SysctlWrite> writes, double seen);
  /// The writer of this turn's writes to exactly this file, if a single process made them. `netns` is the inode number of its
  /// nsfs file, `setting` an index into its bound keys. A process is inspected on first request, so the cost arises only for
  /// writers of drifts and for files that cannot be placed yet.
  [[nodiscard]] KnownWriter writer_of(std::uint64_t netns, std::uint32_t setting);
  /// Drops the placed writes. Called when their netns have been visited and reported: they cannot explain a later drift.
  /// Unplaced writes wait for a search.
  void end_turn();
  void end_search() { writes_.clear(); }

  /// Records the writer of the last drift of a setting; null clears the previous one.
  void remember(const std::string& netns, const std::string& key, KnownWriter writer);
  [[nodiscard]] KnownWriter last_writer(const std::string& netns, const std::string& key) const;
  /// Drops the writers of a netns; a later netns of the same name is a new one.
  void forget(const std::string& netns);

  /// Leaves `since` at 0.
  [[nodiscard]] std::vector<DriftSnapshot> with_writers(std::vector<Finding> findings) const;

 private:
  struct SeenWrite {
    SysctlWrite write;
    double seen = 0;
    std::optional<KnownWriter> writer;  // empty until first requested
  };
  using SettingName = std::pair<std::string, std::string>;  // netns label, name of the key
  struct LastWriter {
    KnownWriter writer;
    std::list<const SettingName*>::iterator age;  // position in by_age_
  };
  using LastWriters = std::map<SettingName, LastWriter>;

  void forget(LastWriters::iterator known);
  KnownWriter described(SeenWrite& write);
  [[nodiscard]] bool is_of(const SysctlWrite& write, SysctlFiles::Place place) const;

  const SysctlFiles& files_;
  Describe describe_;
  std::deque<SeenWrite> writes_;
  LastWriters last_;
  std::list<const SettingName*> by_age_;  // keys of last_, oldest first
};

}  // namespace nswarden
