// SPDX-License-Identifier: Apache-2.0
#include <nswarden/report/writers.hpp>

namespace nswarden {
namespace {

bool is_unidentified(const Writer& writer) {
  return writer.pid == 0 && writer.comm.empty() && writer.exe.empty() && !writer.uid && writer.cgroup.empty() &&
         writer.container.empty() && writer.unit.empty();
}

}  // namespace

void Writers::add_writes(std::vector<SysctlWrite> writes, double seen) {
  // A visit learns a file and reports its state, so a write before it cannot explain a later drift.
  std::erase_if(writes_, [&](const SeenWrite& write) { return !write.write.place && files_.find(write.write.inode); });
  for (SysctlWrite& write : writes) {
    writes_.push_back({std::move(write), seen, std::nullopt});
    if (writes_.size() > max_writes) writes_.pop_front();
    // The write waits for a search, and the process may run another program by then.
    if (writes_.back().write.place) continue;
    (void)described(writes_.back());
    writes_.back().write.pidfd.reset();
  }
}

void Writers::end_turn() {
  std::erase_if(writes_, [&](const SeenWrite& write) { return write.write.place || files_.find(write.write.inode); });
}

/// Uses the current meaning of the inode number: since the write, the netns may have been bound with other keys, or the file
/// been learned.
bool Writers::is_of(const SysctlWrite& write, SysctlFiles::Place place) const {
  if (write.place && *write.place != place) return false;
  return files_.find(write.inode) == place;
}

/// The kernel merges several writes of a process to a file into one event, at the position of the first. With two processes the
/// last writer is therefore unknown.
KnownWriter Writers::writer_of(std::uint64_t netns, std::uint32_t setting) {
  SeenWrite* found = nullptr;
  for (SeenWrite& write : writes_) {
    if (!is_of(write.write, {netns, setting})) continue;
    if (found != nullptr && found->write.pid != write.write.pid) return nullptr;
    found = &write;
  }
  return found == nullptr ? nullptr : described(*found);
}

KnownWriter Writers::described(SeenWrite& write) {
  if (!write.writer) {
    Writer writer = describe_(write.write.pid, write.write.pidfd, write.seen);
    write.writer = is_unidentified(writer) ? nullptr : std::make_shared<const Writer>(std::move(writer));
  }
  return *write.writer;
}

void Writers::remember(const std::string& netns, const std::string& key, KnownWriter writer) {
  if (const auto known = last_.find({netns, key}); known != last_.end()) forget(known);
  if (!writer) return;
  if (last_.size() >= max_settings) forget(last_.find(*by_age_.front()));
  // Allocates first: a setting without its position in the order could not be forgotten.
  std::list<const SettingName*> age(1);
  const auto known = last_.try_emplace({netns, key}).first;
  age.front() = &known->first;
  known->second = {std::move(writer), age.begin()};
  by_age_.splice(by_age_.end(), age);
}

void Writers::forget(LastWriters::iterator known) {
  by_age_.erase(known->second.age);
  last_.erase(known);
}

KnownWriter Writers::last_writer(const std::string& netns, const std::string& key) const {
  const auto known = last_.find({netns, key});
  return known == last_.end() ? nullptr : known->second.writer;
}

void Writers::forget(const std::string& netns) {
  for (auto known = last_.lower_bound({netns, {}}); known != last_.end() && known->first.first == netns;) forget(known++);
}

std::vector<DriftSnapshot> Writers::with_writers(std::vector<Finding> findings) const {
  std::vector<DriftSnapshot> drift;
  drift.reserve(findings.size());
  for (Finding& finding : findings) {
    KnownWriter writer = last_writer(finding.netns, finding.key);
    drift.push_back({std::move(finding), std::move(writer), 0});
  }
  return drift;
}

}  // namespace nswarden
