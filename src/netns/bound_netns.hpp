// SPDX-License-Identifier: Apache-2.0
// LinuxNetns is one netns whose keys were opened inside it; engine/kernel.hpp has the contract and the three tiers.
// LinuxCatalog creates it, in its thread.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <nswarden/engine/kernel.hpp>
#include <nswarden/netns/slow_writer.hpp>
#include <nswarden/netns/sysctl_files.hpp>
#include <nswarden/os/fd.hpp>
#include "netns/netns_entry.hpp"
#include "netns/netns_scope.hpp"
#include "netns/sysctl_tree.hpp"

namespace nswarden {

/// ReadBuffer holds the bytes and readings of one BoundNetns::read(). The next read() reuses it, so that a sweep does not
/// allocate.
class ReadBuffer {
 public:
  /// Drops earlier readings and reserves space for `keys` readings.
  void start(std::size_t keys);

  /// Reads a whole sysctl file, always at offset 0 (kernel fact 12).
  Reading& read(std::size_t key, int fd) {
    Reading& reading = readings_[key];
    char* const slot = slots_.get() + key * slot_size;
    // The kernel allocates the requested number of bytes. A small request suffices, because nearly all values are short.
    const ssize_t size = ::pread(fd, slot, slot_size - 1, 0);
    if (size > 0 && static_cast<std::size_t>(size) < slot_size - 1) {
      reading = {Reading::Status::value, 0, {slot, static_cast<std::size_t>(size)}};
    } else if (size < 0) {
      reading = failed(errno);
    } else {
      read_long(reading, fd);
    }
    return reading;
  }

  void set(std::size_t key, Reading reading) { readings_[key] = reading; }
  [[nodiscard]] std::span<const Reading> readings() const { return {readings_.data(), count_}; }

  static Reading failed(int error) {
    if (error == ENOENT) return {Reading::Status::vanished, 0, {}};
    return {Reading::Status::unreadable, error, {}};
  }

 private:
  static constexpr std::size_t slot_size = 128;

  void read_long(Reading& reading, int fd);

  std::size_t count_ = 0;
  std::vector<Reading> readings_;
  std::unique_ptr<char[]> slots_;  // slot_size per reading, never moved within one read()
  std::vector<std::unique_ptr<char[]>> long_values_;
};

/// CatalogShared is the state shared by all bound netns of a catalog. One thread.
struct CatalogShared {
  HomeNetns home;
  SysctlTree tree;
  ReadBuffer buffer;
  SysctlFiles files;
  std::optional<std::uint64_t> init_inode = init_netns_inode(home);
  SlowWriter* slow_writer = nullptr;  // nullptr: every write is synchronous
};

class LinuxNetns final : public BoundNetns {
 public:
  LinuxNetns(std::shared_ptr<CatalogShared> shared, NetnsPath path, NetnsId id, std::span<const KeyRequest> key_requests,
             Tier tier);
  /// Cancels a write that was handed over and has not begun.
  ~LinuxNetns() override;

  /// Opens the files or directories of the tier. The thread is inside the netns. Fails only when out of fds or memory: any
  /// other error becomes the state of its key.
  Result<void> open_inside();
  [[nodiscard]] std::size_t fds() const;

  Result<std::span<const Reading>> read() override;
  Result<Write> write(std::size_t key, std::string_view value) override;
  Result<std::size_t> find_missing() override;
  Result<void> hold(std::span<const KeyRequest> keys) override;
  Result<std::vector<Key>> find(std::span<const KeyPattern* const> globs) override;

 private:
  struct Slot {
    Fd fd;                         // held tier only
    std::int16_t read_error = 0;   // ENOENT: missing
    std::int16_t write_error = 0;  // from opening for writing; each write tries again
    bool needs_entering = false;
    bool only_of_family = false;  // the only key of its family
  };
  /// Proof required that a netns found by name is the bound one.
  enum class Proof {
    inode,   // enough for fds opened earlier: those of a dead netns only return ENOENT
    cookie,  // required to open by path: a later netns may have the same inode number (kernel fact 4)
  };

  /// Sets the parts of slots_ that depend only on the wishes.
  void prepare_slots();
  /// Whether the file still belongs to its key: an interface recreated under the same name has other files (kernel fact 31).
  [[nodiscard]] static bool is_current(const Slot& slot, const Key& key);
  [[nodiscard]] Result<NetnsScope> enter(Proof proof) const;
  [[nodiscard]] bool holds_live_file() const;
  Result<Fd> open_key(std::size_t key, int flags, FamilyDirectories& families);
  /// Fails only when out of fds or memory; the slot is then unchanged.
  Result<void> open_slot(std::size_t key, FamilyDirectories& families);
  /// Opens the slots whose index `chosen` accepts. The thread is inside the netns.
  template <class Chosen>
  Result<void> open_slots(Chosen chosen);
  /// Whether the key exists and opening it for reading failed, but may succeed later.
  [[nodiscard]] static bool is_refused_reading(const Slot& slot);
  /// Opens those again: the kernel may allow it by now.
  void retry_refused();
  /// The reading of a key that could not be opened for reading.
  [[nodiscard]] static Reading unopened_reading(const Slot& slot);
  Result<void> read_inside();
  Result<Write> write_inside(std::size_t key, std::string_view value);
  /// Writes by an fd opened inside the netns, or hands the write over.
  Result<Write> put(std::size_t key, int fd, std::string_view value);
  /// Checks whether other writers of the key use another inode by now.
  void find_other_inode(std::size_t key);

  std::shared_ptr<CatalogShared> shared_;
  NetnsPath path_;
  NetnsId id_;
  std::span<const KeyRequest> key_requests_;
  std::vector<Slot> slots_;
  RegisteredFiles files_;
  FamilyDirectories families_;  // directories tier, and without cookies
  GlobWalk globs_;
  std::optional<SlowWriter::Ticket> handed_over_;  // the last write handed over
  Tier tier_;
  bool enters_ = false;   // at each read
  bool refused_ = false;  // is_refused_reading() for some slot
};

}  // namespace nswarden
